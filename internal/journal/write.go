package journal

import (
	"context"
	"os"

	"github.com/pxe-pilot/pxe-pilot"
)

// Write writes a record. When it returns without an error, the record outlives a
// power cut; else nothing of it is there. Entries that are new, and armings that
// name none yet, have their IDs then.
//
// A ctx that ends while others write ends the waiting; what has begun is ended.
func (j *Journal) Write(ctx context.Context, r *pxepilot.Record) error {
	free, err := j.take(ctx)
	if err != nil {
		return err
	}
	defer free()
	if err := j.there(); err != nil {
		return err
	}
	n := j.number(r)
	packed := packFacts(r)
	size := int64(len(packed))
	err = j.writer.transaction(func() error {
		for _, e := range r.New {
			hosts := packHosts(e.Hosts)
			size += int64(len(hosts) + len(e.Log))
			if err := j.insert(e, hosts); err != nil {
				return err
			}
		}
		for _, e := range r.Finished {
			hosts := packHosts(e.Hosts)
			size += int64(len(hosts))
			if err := j.finish(e, hosts); err != nil {
				return err
			}
		}
		if packed == nil {
			return nil
		}
		return j.writer.exec(`INSERT INTO facts (facts) VALUES (?)`, packed)
	})
	if err != nil {
		n.undo()
		return trouble(err)
	}
	j.lastID += int64(len(r.New))
	j.loose += int64(len(packed))
	j.unsaved.Add(size + overhead)
	j.wake()
	return nil
}

// overhead is about what a transaction writes besides what it is given, in bytes:
// the pages around it.
const overhead = 5 * 4096

func (j *Journal) insert(e *pxepilot.Entry, hosts []byte) error {
	err := j.writer.exec(`INSERT INTO entries
		(id, at, what, actor, origin, configuration, why, result, error, undoes, loud, count, hosts)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		e.ID, e.At.UnixMicro(), string(e.What), e.Actor, e.From, e.Of, e.Why,
		string(e.Result), e.Error, e.Undoes, e.Loud, len(e.Hosts), hosts)
	if err != nil || e.Log == "" {
		return err
	}
	return j.writer.exec(`INSERT INTO logs (entry, log) VALUES (?, ?)`, e.ID, e.Log)
}

func (j *Journal) finish(e *pxepilot.Entry, hosts []byte) error {
	n, err := j.writer.change(`UPDATE entries SET why = ?, result = ?, error = ?, loud = ?, count = ?, hosts = ? WHERE id = ?`,
		e.Why, string(e.Result), e.Error, e.Loud, len(e.Hosts), hosts, e.ID)
	if err == nil && n == 0 {
		return pxepilot.Errorf(pxepilot.Internal, "the journal has no entry %d to be finished", e.ID)
	}
	return err
}

// A numbering is what a record was given.
type numbering []*int64

// number gives the entries of a record their IDs, and puts them where armings and
// failures name none yet.
func (j *Journal) number(r *pxepilot.Record) numbering {
	var given numbering
	give := func(to *int64, id int64) {
		*to = id
		given = append(given, to)
	}
	about := map[string]int64{} // the last new entry of a host
	for i, e := range r.New {
		give(&e.ID, j.lastID+int64(i)+1)
		if len(r.Armed) > 0 {
			for h := range e.Hosts {
				about[e.Hosts[h].Host] = e.ID
			}
		}
	}
	for i := range r.Armed {
		a := &r.Armed[i]
		id := about[a.Host]
		if a.Entry == 0 && id != 0 {
			give(&a.Entry, id)
		}
		if a.Failure != nil && a.Failure.Entry == 0 && id != 0 {
			give(&a.Failure.Entry, id)
		}
	}
	return given
}

// undo takes back what was given, for nothing was written.
func (n numbering) undo() {
	for _, id := range n {
		*id = 0
	}
}

// there looks whether the database that is open is still the one that the next
// start will find.
func (j *Journal) there() error {
	now, err := os.Stat(j.path)
	if err != nil || !os.SameFile(now, j.opened) {
		return pxepilot.Errorf(pxepilot.Unavailable, "the journal was removed from the %s, or replaced, while the server runs; put it back, or start the server again", directory)
	}
	return nil
}
