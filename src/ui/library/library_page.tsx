import { Box, Database, RefreshCw, Trash2 } from "lucide-react";
import { useEffect, useState } from "react";
import { Link } from "wouter";
import { formatBytes } from "../../lib/format_bytes.ts";
import type { StoredRepository } from "../../protocol/hub.ts";
import { notify, useApp } from "../../store/app.ts";
import { shown } from "../../store/failure.ts";
import { hubHost, useHub } from "../../store/hub.ts";
import {
  canUpdate,
  checkForUpdates,
  inOrder,
  loadLibrary,
  removeStored,
  type Update,
  useLibrary,
} from "../../store/library.ts";
import { loadRuns } from "../../store/run_actions.ts";
import { ErrorCard } from "../errors/error_card.tsx";
import { formatDate, formatPercent, NONE, plural } from "../format.ts";
import { shortCommit } from "../hub/words.ts";
import { ConfirmDialog } from "../parts/dialog.tsx";
import { ScrollArea } from "../parts/scroll_area.tsx";
import { LibraryStorage } from "./library_storage.tsx";
import "../styles/library.css";

/** What this browser keeps of hubs: how much, since when, and a way to delete it. */
export function LibraryPage() {
  const { library, refused } = useLibrary();
  const isReady = useApp(({ catalog }) => catalog.state === "ready");
  const [deleting, setDeleting] = useState<StoredRepository | null>(null);
  useEffect(() => {
    void loadLibrary();
    void loadRuns();
  }, []);
  const known = shown(library);
  const entries = known ? inOrder(known.entries) : [];
  return (
    <div className="page stack library">
      <div className="row wrap between">
        <h1 className="page-title">Library</h1>
        {entries.some(canUpdate) && <UpdateButton entries={entries} />}
      </div>
      {known && <LibraryStorage library={known} />}
      {refused && <ErrorCard failure={refused} compact />}
      {library.state === "failed" && <ErrorCard failure={library.error} compact />}
      {!known && library.state !== "failed" && (
        <div
          className="skeleton library-skeleton"
          role="status"
          aria-label={isReady ? "Reading what is stored" : "Waiting for the worker"}
        />
      )}
      {known && entries.length === 0 && <Nothing />}
      {entries.length > 0 && <Table entries={entries} onDelete={setDeleting} />}
      <DeleteDialog entry={deleting} onClose={() => setDeleting(null)} />
    </div>
  );
}

/** Asks the hub only when a person presses it. */
function UpdateButton({ entries }: { readonly entries: readonly StoredRepository[] }) {
  const updates = useLibrary((state) => state.updates);
  const host = useHub(({ address }) => hubHost(address));
  const asking = Object.values(updates).some(({ state }) => state === "asking");
  return (
    <button type="button" className="button" disabled={asking} onClick={() => void checkForUpdates(entries)}>
      <RefreshCw size={16} aria-hidden />
      {asking ? `Asking ${host}…` : "Check for updates"}
    </button>
  );
}

function Nothing() {
  return (
    <div className="card empty">
      <h2>Nothing is stored yet</h2>
      <p className="muted prose">
        Models and datasets that a run fetches from a hub are kept here, so that the next run needs no
        network. The model and the samples that come with this page are not counted.
      </p>
      <Link href="/new" className="button primary">
        Choose a model of the hub
      </Link>
    </div>
  );
}

interface DeleteProps {
  readonly entry: StoredRepository | null;
  readonly onClose: () => void;
}

function DeleteDialog({ entry, onClose }: DeleteProps) {
  const remove = async () => {
    if (entry && (await removeStored(entry)))
      notify(`${entry.id} was deleted. ${formatBytes(entry.bytes)} are free again.`);
  };
  return (
    <ConfirmDialog
      title={`Delete ${entry?.id ?? ""}?`}
      open={entry !== null}
      action={entry ? `Delete and free ${formatBytes(entry.bytes)}` : ""}
      onClose={onClose}
      onConfirm={() => void remove()}
    >
      <p>
        Its files are deleted from this device. A run that needs them fetches them from {entry?.host} again.
        Adapters and checkpoints that were trained with it are kept.
      </p>
    </ConfirmDialog>
  );
}

interface TableProps {
  readonly entries: readonly StoredRepository[];
  readonly onDelete: (entry: StoredRepository) => void;
}

function Table({ entries, onDelete }: TableProps) {
  return (
    <ScrollArea className="table-frame" label="Stored models and datasets">
      <table className="table library-table">
        <caption className="hidden">
          {plural(entries.length, "repository", "repositories")}, models first, those used last on top
        </caption>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Kind</th>
            <th scope="col">Version</th>
            <th scope="col" className="number">
              Size
            </th>
            <th scope="col">State</th>
            <th scope="col">Last used</th>
            <th scope="col">
              <span className="hidden">Delete</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {entries.map((entry) => (
            <Row key={entry.key} entry={entry} onDelete={() => onDelete(entry)} />
          ))}
        </tbody>
      </table>
    </ScrollArea>
  );
}

function Row({ entry, onDelete }: { readonly entry: StoredRepository; readonly onDelete: () => void }) {
  const update = useLibrary((state) => state.updates[entry.key]);
  const { id, kind, host, commit, revision, bytes, totalBytes, complete, lastUsed, files } = entry;
  const Icon = kind === "model" ? Box : Database;
  return (
    <tr>
      <th scope="row" className="library-name">
        <div className="library-id">{id}</div>
        <span className="muted small">
          {host} ·{" "}
          <span title={files.map(({ name }) => name).join("\n")}>{plural(files.length, "file")}</span>
        </span>
      </th>
      <td className="nowrap">
        <span className="row">
          <Icon size={16} aria-hidden className="muted" />
          {kind === "model" ? "Model" : "Dataset"}
        </span>
      </td>
      <td>
        <span className="nowrap" title={commit}>
          {revision === null ? "" : `${revision} · `}
          <code>{shortCommit(commit)}</code>
        </span>
        {update && <UpdateWords update={update} />}
      </td>
      <td className="number">{formatBytes(bytes)}</td>
      <td className="nowrap">
        {complete ? (
          <span className="pill good">Complete</span>
        ) : (
          <span
            className="pill warn"
            title="What is missing is fetched when a run needs it"
          >{`${totalBytes > 0 ? formatPercent(bytes / totalBytes) : NONE} of ${formatBytes(totalBytes)}`}</span>
        )}
      </td>
      <td className="nowrap">{formatDate(lastUsed)}</td>
      <td>
        <button type="button" className="icon-button" aria-label={`Delete ${id}…`} onClick={onDelete}>
          <Trash2 size={16} aria-hidden />
        </button>
      </td>
    </tr>
  );
}

function UpdateWords({ update }: { readonly update: Update }) {
  switch (update.state) {
    case "asking":
      return <p className="muted small">Asking…</p>;
    case "current":
      return <p className="good-text small">Up to date</p>;
    case "newer":
      return <p className="warn-text small">Newer: {shortCommit(update.commit)}. The next run fetches it.</p>;
    case "unknown":
      return <p className="bad-text small library-why">{update.why}</p>;
  }
}
