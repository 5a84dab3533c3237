package journal

import (
	"context"
	"errors"
	"time"
)

// What is done behind waits until writers are through with what they do at once,
// such as an intent and its result.
const quiet = 200 * time.Millisecond

// A piece is how many rows are made or removed at once.
const piece = 200

// Facts are put together when there are more new ones than those of the last
// time, and than so many bytes.
const fewFacts = 64 << 10

// What is in the write-ahead log is put into the database when there are so many
// pages of it.
const longLog = 1000

func (j *Journal) wake() {
	select {
	case j.busy <- struct{}{}:
	default:
	}
}

// behind does what nobody waits for, until ctx ends.
func (j *Journal) behind(ctx context.Context, quiet time.Duration) {
	defer close(j.stopped)
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-j.busy:
		case <-ctx.Done():
			return
		}
		pause.Reset(quiet)
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
		err := errors.Join(j.catchUp(ctx), j.together(ctx), j.checkpoint(ctx))
		if err != nil && ctx.Err() == nil {
			j.log.Warn("the journal is not tidied up; that is tried again after the next change", "error", err, "cause", errors.Unwrap(err))
		}
	}
}

// together makes one blob of the facts where there are many.
func (j *Journal) together(ctx context.Context) error {
	free, err := j.take(ctx)
	if err != nil {
		return err
	}
	defer free()
	if j.loose <= max(j.packed, fewFacts) {
		return nil
	}
	f, err := readFacts(ctx, j.writer.conn)
	if err != nil {
		return j.trouble(err)
	}
	blob := f.pack()
	err = j.writer.transaction(lazy, func() error {
		if err := j.writer.exec(`DELETE FROM facts`); err != nil {
			return err
		}
		return j.writer.exec(`INSERT INTO facts (facts) VALUES (?)`, blob)
	})
	if err == nil {
		j.loose, j.packed = 0, int64(len(blob))
	}
	return j.trouble(err)
}

// checkpoint puts what is in the write-ahead log into the database where that is
// long, beside those who write.
func (j *Journal) checkpoint(ctx context.Context) error {
	var blocked, pages, saved int64
	err := j.readers.QueryRowContext(ctx, `PRAGMA wal_checkpoint(NOOP)`).Scan(&blocked, &pages, &saved)
	if err == nil && pages-saved >= longLog {
		err = j.readers.QueryRowContext(ctx, `PRAGMA wal_checkpoint(PASSIVE)`).Scan(&blocked, &pages, &saved)
	}
	return j.trouble(err)
}
