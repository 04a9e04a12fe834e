/** HTML from template literals: whatever is filled in is text, unless it is HTML that was made here. */

/** HTML that is safe to stand in a page as it is. */
export class Html {
  constructor(readonly text: string) {}
}

/** What a template is filled with; lists are joined, nothing is left out. */
export type Content = Html | string | number | null | undefined | readonly Content[];

const escapes: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** A text as it may stand in an element or in a quoted attribute. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => escapes[character]);
}

/** The tag of templates; attributes must be quoted. */
export function html(parts: TemplateStringsArray, ...contents: Content[]): Html {
  return new Html(parts.reduce((text, part, i) => text + textOf(contents[i - 1]) + part));
}

function textOf(content: Content): string {
  if (content instanceof Html) return content.text;
  if (content === null || content === undefined) return "";
  return Array.isArray(content) ? content.map(textOf).join("") : escapeHtml(String(content));
}
