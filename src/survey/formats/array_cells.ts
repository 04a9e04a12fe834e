/** Tables whose cells may hold arrays: a row an object becomes a row an observation. */
import { InputError } from "../../common/errors.ts";
import { isTime } from "./light_curve_columns.ts";
import { type Cell, type CellHead, CellTable, distinctNames } from "./table.ts";

/** A column, and whether its cells are arrays. */
export interface ArrayHead extends CellHead {
  /** Elements in each cell; "varying" where cells differ. Not given for a single value. */
  array?: number | "varying";
}

/** A cell, or the elements of an array. */
export type ArrayCell = Cell | readonly Cell[];

/** Arrays of up to so many elements that are no time series become columns of their own: mag_1 to mag_5. */
const fewElements = 16;

/**
 * Collects rows whose cells may be arrays. If the times are an array, each of its elements gives a row, with the elements of the arrays
 * as long as it and the single values repeated; other arrays are not read, or become columns when they are short.
 */
export class ArrayTable {
  private made: CellTable | undefined;
  private plan: { from: number; element: number | "each" | undefined }[] = [];
  private time: number | undefined;

  constructor(private readonly path: string, private readonly heads: readonly ArrayHead[]) {
    if (!heads.some(({ array }) => array !== undefined)) this.makePlan([]);
  }

  /** The rows; undefined before the first, which says what is read. */
  get table(): CellTable | undefined {
    return this.made;
  }

  /**
   * Adds a row.
   * @param full is called whenever a piece is full and has to be taken
   * @throws {InputError} when a cell is not what its column says, or arrays differ in length
   */
  add(cells: readonly ArrayCell[], full: (table: CellTable) => void): void {
    if (!this.made) this.makePlan(cells);
    const table = this.made!;
    if (
      this.time === undefined && this.plan.length === cells.length &&
      this.plan.every((p) => p.element === undefined)
    ) {
      table.add(cells as Cell[]);
      if (table.full) full(table);
      return;
    }
    const rows = this.time === undefined ? 1 : lengthOf(cells[this.time]);
    for (const { from, element } of this.plan) {
      const length = lengthOf(cells[from]);
      if (element === "each" && length !== rows && length !== 0) {
        throw new InputError(
          `${this.path}: a row's arrays ${this.heads[this.time!].name} and ${
            this.heads[from].name
          } have ${rows} and ${length} elements`,
        );
      }
    }
    for (let k = 0; k < rows; k++) {
      table.add(this.plan.map(({ from, element }) => {
        const cell = cells[from];
        if (element === undefined || !Array.isArray(cell)) return element === undefined ? cell as Cell : null;
        return (cell as readonly Cell[])[element === "each" ? k : element];
      }));
      if (table.full) full(table);
    }
  }

  private makePlan(cells: readonly ArrayCell[]): void {
    const { heads } = this;
    const time = heads.findIndex((head) => head.array !== undefined && isTime(head));
    if (time >= 0) this.time = time;
    const own: CellHead[] = [];
    for (const [from, head] of heads.entries()) {
      if (head.array === undefined) {
        this.plan.push({ from, element: undefined });
        own.push(head);
      } else if (
        time >= 0 && (lengthOf(cells[from]) === lengthOf(cells[time]) || lengthOf(cells[from]) === 0)
      ) {
        this.plan.push({ from, element: "each" });
        own.push(head);
      } else if (typeof head.array === "number" && head.array <= fewElements) {
        for (let k = 0; k < head.array; k++) {
          this.plan.push({ from, element: k });
          own.push({ ...head, name: `${head.name}_${k + 1}` });
        }
      }
    }
    const names = distinctNames(own.map(({ name }) => name));
    this.made = new CellTable(this.path, own.map((head, c) => ({ ...head, name: names[c] })));
  }
}

function lengthOf(cell: ArrayCell): number {
  return Array.isArray(cell) ? cell.length : 0;
}
