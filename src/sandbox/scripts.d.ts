/** A program with all that it imports as the text of one script (scripts/script_text_plugin.ts); its exports are in `program`. */
declare module "*?script" {
  const text: string;
  // biome-ignore lint/style/noDefaultExport: the form of every import with a query.
  export default text;
}
