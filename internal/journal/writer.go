package journal

import (
	"context"
	"database/sql"
	"errors"

	"github.com/pxe-pilot/pxe-pilot"
)

// A writer is the one connection that writes.
type writer struct {
	db         *sql.DB
	conn       *sql.Conn
	statements map[string]*sql.Stmt // prepared, by their texts
}

func newWriter(path string) (*writer, error) {
	db, err := open(path, "rw")
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(context.Background())
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &writer{db: db, conn: conn, statements: map[string]*sql.Stmt{}}, nil
}

func (w *writer) close() error {
	var errs []error
	for _, s := range w.statements {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, w.conn.Close(), w.db.Close())...)
}

// prepared returns the statement of that text. It is used without the context
// of whoever asks: one that is interrupted leaves nothing behind, but a commit
// that is interrupted leaves the question whether it happened.
func (w *writer) prepared(query string) (*sql.Stmt, error) {
	if s := w.statements[query]; s != nil {
		return s, nil
	}
	s, err := w.conn.PrepareContext(context.Background(), query)
	if err == nil {
		w.statements[query] = s
	}
	return s, err
}

func (w *writer) exec(query string, args ...any) error {
	_, err := w.change(query, args...)
	return err
}

// change is exec that tells how many rows changed.
func (w *writer) change(query string, args ...any) (int64, error) {
	s, err := w.prepared(query)
	if err != nil {
		return 0, err
	}
	r, err := s.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// row reads the one row that a query answers.
func (w *writer) row(query string, args []any, into ...any) error {
	s, err := w.prepared(query)
	if err != nil {
		return err
	}
	return s.QueryRowContext(context.Background(), args...).Scan(into...)
}

// How soon a transaction is durable.
const (
	atOnce = `PRAGMA synchronous = FULL`
	lazy   = `PRAGMA synchronous = NORMAL` // with the next one that is at once: for what can be made again
)

// transaction does something as a whole, or not at all.
func (w *writer) transaction(durable string, do func() error) error {
	err := w.exec(durable)
	if err != nil {
		return err
	}
	if err := w.exec(`BEGIN IMMEDIATE`); err != nil {
		return err
	}
	if err = do(); err == nil {
		err = w.exec(`COMMIT`)
	}
	if err != nil {
		// SQLite ends the transaction by itself on some errors, and says so here.
		_ = w.exec(`ROLLBACK`)
	}
	return err
}

// script runs several statements.
func (w *writer) script(text string) error {
	_, err := w.conn.ExecContext(context.Background(), text)
	return err
}

// writeAhead puts the database into the mode in which others read beside the
// writer. A backup is in another one.
func (w *writer) writeAhead() error {
	var mode string
	err := w.row(`PRAGMA journal_mode = WAL`, nil, &mode)
	if err == nil && mode != "wal" {
		err = pxepilot.Errorf(pxepilot.Unavailable, "the file system of the %s cannot hold a journal, for it has no shared memory; name one on a local disk", directory)
	}
	return err
}
