/** Text tables line by line into pieces. */
import { type Cell, type CellHead, CellTable, type TablePiece } from "./table.ts";

/** Rows collected into pieces. */
export class Pieces {
  private readonly table: CellTable;
  private queue: TablePiece[] = [];
  private any = false;

  constructor(
    path: string,
    heads: readonly CellHead[],
    private readonly name: string,
    private readonly metadata: Record<string, string>,
  ) {
    this.table = new CellTable(path, heads);
  }

  add(cells: readonly Cell[]): void {
    this.table.add(cells);
    if (this.table.full) this.push();
  }

  /** The pieces that are full. */
  *ready(): Generator<TablePiece> {
    const pieces = this.queue;
    this.queue = [];
    yield* pieces;
  }

  /** The full pieces, and the rest. */
  *end(): Generator<TablePiece> {
    if (this.table.rows > 0 || !this.any) this.push();
    yield* this.ready();
  }

  private push(): void {
    this.any = true;
    this.queue.push(this.table.take(this.name, this.metadata));
  }
}
