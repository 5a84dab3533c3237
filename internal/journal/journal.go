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
// the index by host, one blob in place of many, checkpoints. It is made from
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
	"sync/atomic"
	"time"
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

	lock    *os.File    // held while the journal is open
	opened  os.FileInfo // of the database, to notice that another one stands in its place
	readers *sql.DB

	turn   chan struct{} // holds one token: the right to use the writer
	writer *writer
	lastID int64 // of the entries; belongs to whoever has that right
	loose  int64 // bytes of facts that are not yet in the first blob; likewise
	packed int64 // bytes of facts that are; likewise

	unsaved atomic.Int64  // bytes written since the last checkpoint, about
	busy    chan struct{} // wakes the task behind
	stop    context.CancelFunc
	stopped chan struct{}
}

// Close ends what is done behind, and puts everything into the one database file.
func (j *Journal) Close() error {
	if j.stop != nil {
		j.stop()
		<-j.stopped
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

// take waits for the right to use the writer.
func (j *Journal) take(ctx context.Context) (free func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case j.turn <- struct{}{}:
		return func() { <-j.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
