export function RunPage({ id }: { id: string }) {
  return (
    <div className="page">
      <h1>Run</h1>
      <p>{id}</p>
    </div>
  );
}
