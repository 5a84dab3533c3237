// Package journal is the durable history of a site, and what is still to be done
// there: every change of what hosts boot, the armings of one-shot installs, and
// what was last seen of links and configurations. It is one SQLite database in a
// directory of its own.
//
// How its pieces meet: open.go takes the directory, looks whether the database is
// whole, and brings it to the current schema (schema.go). write.go writes a record
// by one transaction, which costs one sync whatever the number of hosts: those of
// an entry are one blob (hosts.go), and so is what holds afterwards (facts.go), by
// the same packing (pack.go). read.go reads. behind.go is what nobody waits for:
// the index (subjects.go), one blob in place of many, checkpoints. It is made of
// what was acknowledged, so that nothing is lost where it is interrupted.
// prune.go forgets what is old, backup.go copies. trouble.go makes one clear
// sentence of each thing that a disk can do to a database.
//
// One connection writes, one transaction at a time (writer.go); others read
// beside it, which is what SQLite's write-ahead log is for.
package journal

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// Options say where the journal is and how much it keeps.
type Options struct {
	Directory string        // made, 0700, where only it is missing
	Keep      time.Duration // of entries; 0 for ever
	MaxSize   int64         // of the database in bytes; 0 for any
	Logger    *slog.Logger
	Now       func() time.Time // time.Now unless told
}

// Journal is an open journal. It is safe for concurrent use.
type Journal struct {
	path    string // of the database
	keep    time.Duration
	maxSize int64
	log     *slog.Logger
	now     func() time.Time

	lock    *os.File               // held while the journal is open
	files   map[string]os.FileInfo // that are open, by path
	readers *sql.DB

	turn   chan struct{} // holds one token: the right to use what follows
	writer *writer
	lastID int64 // of the entries
	loose  int64 // bytes of facts that came after those of the first blob
	packed int64 // bytes of that one
	// How far the index is made, and what is being done to it.
	indexed              int64
	indexing, forgetting *subjects

	busy    chan struct{} // wakes the task behind
	stop    context.CancelFunc
	stopped chan struct{} // closed when that has ended
	closed  chan struct{} // closed when the journal is
}

// Close ends what is done behind, and puts everything into the one database file.
func (j *Journal) Close() error {
	if j.stop != nil {
		j.stop()
		<-j.stopped
	}
	select {
	case j.turn <- struct{}{}: // and nobody gets it any more
		close(j.closed)
	case <-j.closed:
		return nil
	}
	var errs []error
	if j.readers != nil {
		errs = append(errs, j.readers.Close())
	}
	if j.writer != nil {
		errs = append(errs, j.writer.close())
	}
	return errors.Join(append(errs, j.lock.Close())...) // gives the lock back
}

// take waits for the right to write.
func (j *Journal) take(ctx context.Context) (free func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case j.turn <- struct{}{}:
		return func() { <-j.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-j.closed:
		return nil, j.usable()
	}
}

// usable says that the journal is not closed.
func (j *Journal) usable() error {
	select {
	case <-j.closed:
		return pxepilot.Errorf(pxepilot.Unavailable, "the journal is closed, for the server ends; try again")
	default:
		return nil
	}
}

// there looks whether the files that are open are still those that the next start
// will find.
func (j *Journal) there() error {
	for path, opened := range j.files {
		if now, err := os.Stat(path); err != nil || !os.SameFile(now, opened) {
			return pxepilot.Errorf(pxepilot.Unavailable,
				"%s was removed from the %s, or replaced, while the server runs; put it back, or start the server again", filepath.Base(path), directory)
		}
	}
	return nil
}
