package journal

import (
	"context"
	"database/sql"
	"math"
	"slices"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// Remember tells all that a server must know when it starts: the facts, and
// what was under way, the earliest first.
func (j *Journal) Remember(ctx context.Context) (*pxepilot.Memory, error) {
	var memory *pxepilot.Memory
	err := j.reading(ctx, func(tx *sql.Tx) error {
		f, err := readFacts(ctx, tx)
		if err != nil {
			return err
		}
		underWay, err := list(ctx, tx, &pxepilot.Question{}, `SELECT `+columns+` FROM entries
			WHERE result = '' ORDER BY id`)
		if err != nil {
			return err
		}
		memory = &pxepilot.Memory{Generation: f.generation, Armings: f.armed(), Ended: f.over(), Known: f.known, Contents: f.contents}
		for i := range underWay {
			memory.UnderWay = append(memory.UnderWay, &underWay[i])
		}
		return nil
	})
	return memory, err
}

// Entries answers a question.
func (j *Journal) Entries(ctx context.Context, q pxepilot.Question) ([]pxepilot.Entry, error) {
	var entries []pxepilot.Entry
	err := j.reading(ctx, func(tx *sql.Tx) (err error) {
		entries, err = ask(ctx, tx, &q)
		return err
	})
	return entries, err
}

// columns are those of an entry, in the order in which list reads them.
const columns = `id, at, what, actor, origin, configuration, why, result, error, undoes, loud, count, hosts`

func ask(ctx context.Context, tx *sql.Tx, q *pxepilot.Question) ([]pxepilot.Entry, error) {
	if q.ID != 0 {
		return one(ctx, tx, q)
	}
	w := window{before: math.MaxInt64, since: q.Since.UnixMicro(), most: -1}
	if !q.Since.IsZero() {
		// The clock may have been set back since, so that IDs and times do not
		// always rise together: this only says how far back to look.
		err := tx.QueryRowContext(ctx, `SELECT coalesce(min(id), 9223372036854775807)
			FROM entries INDEXED BY entries_by_time WHERE at >= ?`, w.since).Scan(&w.from)
		if err != nil {
			return nil, err
		}
	}
	if q.Before > 0 {
		w.before = q.Before
	}
	if q.Most > 0 {
		w.most = q.Most
	}
	if q.Host == "" && q.Actor == "" {
		return list(ctx, tx, q, `SELECT `+columns+` FROM entries
			WHERE id < ? AND id >= ? AND at >= ? ORDER BY id DESC LIMIT ?`, w.before, w.from, w.since, w.most)
	}
	return bySubject(ctx, tx, q, w)
}

// A window is what part of the entries is asked for.
type window struct {
	before, from int64 // IDs
	since        int64 // time
	most         int   // below 0 for all
}

func one(ctx context.Context, tx *sql.Tx, q *pxepilot.Question) ([]pxepilot.Entry, error) {
	entries, err := list(ctx, tx, q, `SELECT `+columns+` FROM entries WHERE id = ?`, q.ID)
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	err = tx.QueryRowContext(ctx, `SELECT coalesce((SELECT log FROM logs WHERE entry = ?), '')`, q.ID).Scan(&entries[0].Log)
	return entries, err
}

// bySubject answers by the index. The latest entries may not be in there yet, and
// those are few: it looks through them. Who asks never has to write.
func bySubject(ctx context.Context, tx *sql.Tx, q *pxepilot.Question, w window) ([]pxepilot.Entry, error) {
	entries, err := list(ctx, tx, q, `SELECT `+columns+` FROM entries
		WHERE id > (SELECT i.entry FROM indexed i) AND id < ? AND id >= ? AND at >= ? AND (?4 = '' OR actor = ?4)
		ORDER BY id DESC`, w.before, w.from, w.since, q.Actor)
	if err != nil {
		return nil, err
	}
	subject := ofActor(q.Actor)
	if q.Host != "" {
		subject = ofHost(q.Host)
		entries = slices.DeleteFunc(entries, func(e pxepilot.Entry) bool {
			return !slices.ContainsFunc(e.Hosts, func(h pxepilot.Switch) bool { return h.Host == q.Host })
		})
	}
	if w.most >= 0 {
		entries = entries[:min(len(entries), w.most)]
		w.most -= len(entries)
	}
	earlier, err := list(ctx, tx, q, `SELECT `+columns+` FROM entries_by_subject JOIN entries ON id = entry
		WHERE subject = (SELECT s.id FROM subjects s WHERE name = ?1) AND entry <= (SELECT i.entry FROM indexed i)
		AND entry < ?2 AND entry >= ?3 AND at >= ?4 AND (?5 = '' OR actor = ?5)
		ORDER BY entry DESC LIMIT ?6`, subject, w.before, w.from, w.since, q.Actor, w.most)
	return append(entries, earlier...), err
}

func list(ctx context.Context, tx *sql.Tx, q *pxepilot.Question, query string, args ...any) ([]pxepilot.Entry, error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var entries []pxepilot.Entry
	for rows.Next() {
		var e pxepilot.Entry
		var at int64
		var hosts sql.RawBytes
		if err := rows.Scan(&e.ID, &at, &e.What, &e.Actor, &e.From, &e.Of, &e.Why, &e.Result, &e.Error, &e.Undoes, &e.Loud, &e.Count, &hosts); err != nil {
			return nil, err
		}
		e.At = time.UnixMicro(at).UTC()
		if e.Hosts, err = unpackHosts(hosts, q.Host, q.Hosts); err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, rows.Err()
}

// A querier is a transaction that reads, or the writer's connection.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func readFacts(ctx context.Context, db querier) (*facts, error) {
	rows, err := db.QueryContext(ctx, `SELECT facts FROM facts ORDER BY id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	f := newFacts()
	for rows.Next() {
		var blob sql.RawBytes
		if err := rows.Scan(&blob); err != nil {
			return nil, err
		}
		if err := f.add(blob); err != nil {
			return nil, err
		}
	}
	return f, rows.Err()
}

// reading does something with the journal as it is at one moment.
func (j *Journal) reading(ctx context.Context, do func(*sql.Tx) error) error {
	if err := j.usable(); err != nil {
		return err
	}
	tx, err := j.readers.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err == nil {
		err = do(tx)
		_ = tx.Rollback() // nothing was written
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case j.usable() != nil: // since
		return j.usable()
	}
	return j.trouble(err)
}
