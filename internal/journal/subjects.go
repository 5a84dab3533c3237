package journal

import (
	"context"
	"database/sql"
	"errors"
)

// Subjects are what an entry is found by. They are made, and removed, a piece at a
// time, for writers wait meanwhile; who begins again finds some of that done,
// which does no harm.
type subjects struct {
	entry int64
	names []string
	done  int
}

func ofHost(name string) string { return "host " + name }

func ofActor(name string) string { return "actor " + name }

// subjectsOf reads those of an entry. One that was forgotten has none.
func (j *Journal) subjectsOf(entry int64) (*subjects, error) {
	var actor string
	var blob []byte
	err := j.writer.row(`SELECT actor, hosts FROM entries WHERE id = ?`, []any{entry}, &actor, &blob)
	if errors.Is(err, sql.ErrNoRows) {
		return &subjects{entry: entry}, nil
	}
	if err != nil {
		return nil, err
	}
	hosts, err := unpackHosts(blob, "", 0)
	if err != nil {
		return nil, err
	}
	s := &subjects{entry: entry, names: []string{ofActor(actor)}}
	for i := range hosts {
		s.names = append(s.names, ofHost(hosts[i].Host))
	}
	return s, nil
}

// next does something with the names that are next, and tells with how many.
func (s *subjects) next(most int, do func(name string) error) (int, error) {
	names := s.names[s.done:min(s.done+most, len(s.names))]
	for _, name := range names {
		if err := do(name); err != nil {
			return 0, err
		}
	}
	s.done += len(names)
	return len(names), nil
}

func (s *subjects) all() bool { return s.done == len(s.names) }

// catchUp brings the index up to the last entry.
func (j *Journal) catchUp(ctx context.Context) error {
	for {
		more, err := j.indexPiece(ctx)
		if err != nil || !more {
			return j.trouble(err)
		}
	}
}

// indexPiece makes a piece of the index, and says whether there is more to do.
func (j *Journal) indexPiece(ctx context.Context) (more bool, err error) {
	free, err := j.take(ctx)
	if err != nil {
		return false, err
	}
	defer free()
	if j.indexed == j.lastID {
		return false, nil
	}
	indexed, s := j.indexed, j.indexing
	err = j.writer.transaction(lazy, func() error {
		for left := piece; left > 0 && indexed < j.lastID; {
			if s == nil {
				if s, err = j.subjectsOf(indexed + 1); err != nil {
					return err
				}
			}
			n, err := s.next(left, func(name string) error { return j.index(name, s.entry) })
			if err != nil {
				return err
			}
			left -= 1 + n
			if s.all() {
				indexed, s = s.entry, nil
			}
		}
		return j.writer.exec(`UPDATE indexed SET entry = ?`, indexed)
	})
	if err != nil {
		j.indexing = nil // nothing of this piece was made
		return false, err
	}
	j.indexed, j.indexing = indexed, s
	return true, nil
}

func (j *Journal) index(subject string, entry int64) error {
	const row = `INSERT OR IGNORE INTO entries_by_subject (subject, entry) SELECT id, ? FROM subjects WHERE name = ?`
	n, err := j.writer.change(row, entry, subject)
	if err != nil || n > 0 {
		return err
	}
	if err := j.writer.exec(`INSERT OR IGNORE INTO subjects (name) VALUES (?)`, subject); err != nil {
		return err
	}
	return j.writer.exec(row, entry, subject)
}

func (j *Journal) unindex(subject string, entry int64) error {
	return j.writer.exec(`DELETE FROM entries_by_subject
		WHERE subject = (SELECT id FROM subjects WHERE name = ?) AND entry = ?`, subject, entry)
}
