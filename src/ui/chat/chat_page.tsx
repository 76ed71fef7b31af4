export function ChatPage({ id }: { id: string | null }) {
  return (
    <div className="page">
      <h1>Chat</h1>
      <p>{id}</p>
    </div>
  );
}
