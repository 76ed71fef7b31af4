import { Link } from "wouter";

export function NotFound() {
  return (
    <div className="page empty">
      <h1>There is nothing at this address</h1>
      <p className="muted">The run may have been deleted, or the link was cut short.</p>
      <Link href="/" className="button">
        Go to the start
      </Link>
    </div>
  );
}
