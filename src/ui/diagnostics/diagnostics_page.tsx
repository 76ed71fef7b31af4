export function DiagnosticsPage() {
  return (
    <div className="page">
      <h1>Diagnostics</h1>
    </div>
  );
}
