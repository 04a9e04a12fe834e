/** What a schema says of its settings: their flags, what may stand after them, defaults, units, help. */
import type { SettingMeta, z } from "../common/setting.ts";

type Kind = "text" | "number" | "boolean" | "list";

/** A setting as its schema describes it. */
export interface Described {
  name: string;
  flag: string;
  kind: Kind;
  /** What may stand after the flag: a unit, the allowed words, or the type. */
  value: string;
  help: string;
  unit: string;
  required: boolean;
  fallback: unknown;
}

/** Every setting of a schema, read from the schema itself. */
export function describe(settings: z.ZodObject): Described[] {
  return Object.entries(settings.shape).map(([name, schema]) => {
    const meta = ((schema as z.ZodType).meta() ?? {}) as Partial<SettingMeta>;
    let inner = schema as z.ZodType, fallback: unknown, required = true;
    for (;;) {
      const definition = inner.def as unknown as {
        type: string;
        innerType?: z.ZodType;
        defaultValue?: unknown;
      };
      if (definition.type === "default" || definition.type === "prefault") {
        fallback ??= definition.defaultValue;
      } else if (definition.type !== "optional" && definition.type !== "nullable") break;
      required = false;
      inner = definition.innerType!;
    }
    const { kind, value } = kindOf(inner);
    const { help = "", unit = "" } = { ...inner.meta() as Partial<SettingMeta>, ...meta };
    return {
      name,
      flag: name.replaceAll("_", "-"),
      kind,
      value: unit || value,
      help,
      unit,
      required,
      fallback,
    };
  });
}

function kindOf(schema: z.ZodType): { kind: Kind; value: string } {
  const definition = schema.def as unknown as {
    type: string;
    entries?: Record<string, string>;
    options?: z.ZodType[];
    values?: unknown[];
    in?: z.ZodType;
  };
  switch (definition.type) {
    case "boolean":
      return { kind: "boolean", value: "" };
    case "number":
    case "int":
      return { kind: "number", value: "number" };
    case "enum":
      return { kind: "text", value: Object.values(definition.entries!).join("|") };
    case "literal":
      return { kind: "text", value: definition.values!.join("|") };
    case "array":
      return { kind: "list", value: "a,b,…" };
    case "pipe":
      return kindOf(definition.in!);
    case "union": {
      const options = definition.options!.map(kindOf);
      const kinds = new Set(options.map((option) => option.kind));
      return {
        kind: kinds.size === 1 ? options[0].kind : "number",
        value: options.map((o) => o.value).join("|"),
      };
    }
    default:
      return { kind: "text", value: "text" };
  }
}
