package journal

import (
	"context"
	"errors"
)

// Prune forgets a piece of what is older than the journal keeps, or too much for
// its size, the earliest entries first. What is under way stays, and so does what
// an arming refers to, and the last entry. It says whether there is more to do.
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
		return false, j.trouble(err)
	}
	s := j.forgetting
	err = j.writer.transaction(lazy, func() error {
		for left := piece; left > 0; {
			if s == nil {
				id, err := j.outdated(ctx, kept)
				if err != nil || id == 0 {
					return err
				}
				if s, err = j.subjectsOf(id); err != nil {
					return err
				}
			}
			n, err := s.next(left, func(name string) error { return j.unindex(name, s.entry) })
			if err != nil {
				return err
			}
			left -= 1 + n
			if s.all() {
				if err := j.writer.exec(`DELETE FROM entries WHERE id = ?`, s.entry); err != nil {
					return err
				}
				s = nil
			}
		}
		more = true
		return nil
	})
	if err != nil {
		j.forgetting = nil // nothing of this piece was removed
		return false, j.trouble(err)
	}
	j.forgetting = s
	j.wake()
	return more, nil
}

// referredTo are the entries that armings refer to, and the last one.
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

// outdated is the earliest entry that is to be forgotten, or 0.
func (j *Journal) outdated(ctx context.Context, kept map[int64]bool) (id int64, err error) {
	if j.keep > 0 {
		id, err = j.first(ctx, kept, `SELECT id FROM entries INDEXED BY entries_by_time
			WHERE at < ? AND result <> '' ORDER BY at`, j.now().Add(-j.keep).UnixMicro())
		if err != nil || id != 0 {
			return id, err
		}
	}
	if j.maxSize == 0 {
		return 0, nil
	}
	var used int64
	err = j.writer.row(`SELECT (page_count - freelist_count) * page_size
		FROM pragma_page_count, pragma_freelist_count, pragma_page_size`, nil, &used)
	if err != nil || used <= j.maxSize {
		return 0, err
	}
	return j.first(ctx, kept, `SELECT id FROM entries WHERE result <> '' ORDER BY id`)
}

// first is the first entry that is not kept, of those that a query answers.
func (j *Journal) first(ctx context.Context, kept map[int64]bool, query string, args ...any) (id int64, err error) {
	s, err := j.writer.prepared(query)
	if err != nil {
		return 0, err
	}
	rows, err := s.QueryContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := rows.Scan(&id); err != nil {
			return 0, err
		}
		if !kept[id] {
			return id, nil
		}
	}
	return 0, rows.Err()
}
