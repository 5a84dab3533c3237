package journal

import (
	"context"
	"errors"

	"github.com/pxe-pilot/pxe-pilot"
)

// At most so many entries, or rows of the index, are forgotten at once, for
// writers wait meanwhile.
const prunePiece = 500

// Prune forgets a piece of what is older than the journal keeps, or too much for
// its size, the earliest entries first. What is under way stays, and so does what
// an arming refers to, and the last entry. It says whether there may be more.
//
// Space in the file is used again, but not given back.
func (j *Journal) Prune(ctx context.Context) (more bool, err error) {
	if err := j.catchUp(ctx); err != nil { // what is forgotten needs no index
		return false, err
	}
	free, err := j.take(ctx)
	if err != nil {
		return false, err
	}
	defer free()
	if err := j.there(); err != nil {
		return false, err
	}
	kept, err := j.referredTo(ctx)
	if err != nil {
		return false, trouble(err)
	}
	err = j.writer.lazily(func() error {
		for left := prunePiece; left > 0; left-- {
			e, err := j.outdated(ctx, kept)
			if err != nil {
				return err
			}
			if e == nil {
				return nil
			}
			n, err := j.forget(e, left)
			if err != nil {
				return err
			}
			left -= n
		}
		more = true
		return nil
	})
	j.unsaved.Add(overhead)
	j.wake()
	return more && err == nil, trouble(err)
}

// referredTo are the entries that armings refer to.
func (j *Journal) referredTo(ctx context.Context) (map[int64]bool, error) {
	f, err := readFacts(ctx, j.writer.conn)
	if err != nil {
		return nil, err
	}
	kept := map[int64]bool{j.lastID: true}
	for _, a := range f.armings {
		kept[a.Entry] = true
		if a.Failure != nil {
			kept[a.Failure.Entry] = true
		}
	}
	return kept, nil
}

// outdated is the earliest entry that is to be forgotten, or nil.
func (j *Journal) outdated(ctx context.Context, kept map[int64]bool) (*pxepilot.Entry, error) {
	if j.keep > 0 {
		e, err := j.first(ctx, kept, `SELECT id, actor, count, hosts FROM entries INDEXED BY entries_by_time
			WHERE at < ? AND result <> '' ORDER BY at`, j.now().Add(-j.keep).UnixMicro())
		if e != nil || err != nil {
			return e, err
		}
	}
	if j.maxSize > 0 {
		var used int64
		err := j.writer.row(`SELECT (page_count - freelist_count) * page_size
			FROM pragma_page_count, pragma_freelist_count, pragma_page_size`, nil, &used)
		if err != nil {
			return nil, err
		}
		if used > j.maxSize {
			return j.first(ctx, kept, `SELECT id, actor, count, hosts FROM entries WHERE result <> '' ORDER BY id`)
		}
	}
	return nil, nil
}

// first is the first entry that is not kept, of those that a query answers.
func (j *Journal) first(ctx context.Context, kept map[int64]bool, query string, args ...any) (_ *pxepilot.Entry, err error) {
	s, err := j.writer.prepared(query)
	if err != nil {
		return nil, err
	}
	rows, err := s.QueryContext(ctx, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var e pxepilot.Entry
		var hosts []byte
		if err := rows.Scan(&e.ID, &e.Actor, &e.Count, &hosts); err != nil {
			return nil, err
		}
		if !kept[e.ID] {
			e.Hosts, err = unpackHosts(hosts, "", 0)
			return &e, err
		}
	}
	return nil, rows.Err()
}

// forget removes an entry, or as many of its rows in the index as are allowed at
// once: the next time goes on where there are any left.
func (j *Journal) forget(e *pxepilot.Entry, most int) (done int, err error) {
	for i := -1; i < len(e.Hosts); i++ {
		kind, name := "actor", e.Actor
		if i >= 0 {
			kind, name = "host", e.Hosts[i].Host
		}
		n, err := j.writer.change(`DELETE FROM entries_by_subject
			WHERE subject = (SELECT id FROM subjects WHERE kind = ? AND name = ?) AND entry = ?`, kind, name, e.ID)
		if err != nil {
			return done, err
		}
		if done += int(n); done >= most {
			return done, nil
		}
	}
	return done, j.writer.exec(`DELETE FROM entries WHERE id = ?`, e.ID)
}
