package journal

import (
	"context"
	"errors"
	"time"
)

// What is done behind waits until writers are through with what they do at once,
// such as an intent and its result.
const quiet = 200 * time.Millisecond

// At most so many rows of the index are made at once, for writers wait meanwhile.
const indexPiece = 500

// Facts are put together when there are more new ones than those of the last
// time, and than so many bytes.
const factsPiece = 64 << 10

// What is in the write-ahead log is put into the database when there is so much
// of it, in bytes.
const checkpointPiece = 4 << 20

func (j *Journal) wake() {
	select {
	case j.busy <- struct{}{}:
	default:
	}
}

// behind does what nobody waits for, until ctx ends.
func (j *Journal) behind(ctx context.Context) {
	defer close(j.stopped)
	for {
		select {
		case <-ctx.Done():
			return
		case <-j.busy:
		}
		pause := time.NewTimer(quiet)
		select {
		case <-ctx.Done():
			pause.Stop()
			return
		case <-pause.C:
		}
		err := errors.Join(j.catchUp(ctx), j.together(ctx))
		if err == nil && j.unsaved.Load() >= checkpointPiece {
			err = j.checkpoint(ctx)
		}
		if err != nil && ctx.Err() == nil {
			j.log.Warn("the journal is not in order behind; it is tried again after the next change", "error", err, "cause", errors.Unwrap(err))
		}
	}
}

// catchUp brings the index up to the last entry.
func (j *Journal) catchUp(ctx context.Context) error {
	for {
		more, err := j.indexPiece(ctx)
		if err != nil || !more {
			return err
		}
	}
}

func (j *Journal) indexPiece(ctx context.Context) (more bool, err error) {
	free, err := j.take(ctx)
	if err != nil {
		return false, err
	}
	defer free()
	var entry, part int64
	if err := j.writer.row(`SELECT entry, part FROM indexed`, nil, &entry, &part); err != nil {
		return false, trouble(err)
	}
	if entry >= j.lastID {
		return false, nil
	}
	err = j.writer.lazily(func() error {
		for left := indexPiece; left > 0 && entry < j.lastID; {
			done, all, err := j.index(entry+1, part, left)
			if err != nil {
				return err
			}
			left -= done + 1
			part += int64(done)
			if all {
				entry, part = entry+1, 0
			}
		}
		return j.writer.exec(`UPDATE indexed SET entry = ?, part = ?`, entry, part)
	})
	j.unsaved.Add(overhead)
	return true, trouble(err)
}

// index makes rows for an entry, after those that were made already: one for its
// actor and one for each host.
func (j *Journal) index(id, part int64, most int) (done int, all bool, err error) {
	var actor string
	var blob []byte
	found := false
	if err := j.writer.row(`SELECT count(*) > 0, coalesce(max(actor), ''), coalesce(max(hosts), x'') FROM entries WHERE id = ?`,
		[]any{id}, &found, &actor, &blob); err != nil {
		return 0, false, err
	}
	if !found { // forgotten
		return 0, true, nil
	}
	hosts, err := unpackHosts(blob, "", 0)
	if err != nil {
		return 0, false, err
	}
	for i := part; i <= int64(len(hosts)); i++ {
		if done == most {
			return done, false, nil
		}
		kind, name := "actor", actor
		if i > 0 {
			kind, name = "host", hosts[i-1].Host
		}
		if err := j.about(kind, name, id); err != nil {
			return done, false, err
		}
		done++
	}
	return done, true, nil
}

func (j *Journal) about(kind, name string, entry int64) error {
	const row = `INSERT OR IGNORE INTO entries_by_subject (subject, entry) SELECT id, ? FROM subjects WHERE kind = ? AND name = ?`
	if err := j.writer.exec(`INSERT OR IGNORE INTO subjects (kind, name) VALUES (?, ?)`, kind, name); err != nil {
		return err
	}
	return j.writer.exec(row, entry, kind, name)
}

// together makes one blob of the facts where there are many.
func (j *Journal) together(ctx context.Context) error {
	free, err := j.take(ctx)
	if err != nil {
		return err
	}
	defer free()
	if j.loose <= max(j.packed, factsPiece) {
		return nil
	}
	f, err := readFacts(ctx, j.writer.conn)
	if err != nil {
		return trouble(err)
	}
	blob := f.pack()
	err = j.writer.lazily(func() error {
		if err := j.writer.exec(`DELETE FROM facts`); err != nil {
			return err
		}
		return j.writer.exec(`INSERT INTO facts (facts) VALUES (?)`, blob)
	})
	if err == nil {
		j.loose, j.packed = 0, int64(len(blob))
		j.unsaved.Add(int64(len(blob)) + overhead)
	}
	return trouble(err)
}

// checkpoint puts what is in the write-ahead log into the database, beside those
// who write.
func (j *Journal) checkpoint(ctx context.Context) error {
	before := j.unsaved.Load()
	var blocked, log, saved int64
	err := j.readers.QueryRowContext(ctx, `PRAGMA wal_checkpoint(PASSIVE)`).Scan(&blocked, &log, &saved)
	if err != nil {
		return trouble(err)
	}
	if blocked != 0 || saved < log {
		return nil // somebody reads an older state; later
	}
	j.unsaved.Add(-before)
	return nil
}
