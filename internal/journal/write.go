package journal

import (
	"context"
	"slices"

	"github.com/pxe-pilot/pxe-pilot"
)

// Write writes a record. When it returns without an error, the record outlives a
// power cut; else nothing of it is there. Entries that are new, and armings that
// name none yet, have their IDs then.
//
// A ctx that ends while others write ends the waiting; what has begun is ended.
func (j *Journal) Write(ctx context.Context, r *pxepilot.Record) error {
	var hosts [][]byte // of all entries
	for _, e := range slices.Concat(r.New, r.Finished) {
		hosts = append(hosts, packHosts(e.Hosts))
	}
	free, err := j.take(ctx)
	if err != nil {
		return err
	}
	defer free()
	if err := j.there(); err != nil {
		return err
	}
	given := j.number(r)
	facts := packFacts(r)
	err = j.writer.transaction(atOnce, func() error {
		for i, e := range r.New {
			if err := j.insert(e, hosts[i]); err != nil {
				return err
			}
		}
		for i, e := range r.Finished {
			if err := j.finish(e, hosts[len(r.New)+i]); err != nil {
				return err
			}
		}
		if facts == nil {
			return nil
		}
		return j.writer.exec(`INSERT INTO facts (facts) VALUES (?)`, facts)
	})
	if err != nil {
		given.back()
		return j.trouble(err)
	}
	j.lastID += int64(len(r.New))
	j.loose += int64(len(facts))
	for _, e := range slices.Concat(r.New, r.Finished) {
		e.Count = len(e.Hosts)
	}
	j.wake()
	return nil
}

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
	if e.Count != len(e.Hosts) {
		return pxepilot.Errorf(pxepilot.Internal, "entry %d of the journal is about %d hosts and would be finished with %d", e.ID, e.Count, len(e.Hosts))
	}
	n, err := j.writer.change(`UPDATE entries SET why = ?, result = ?, error = ?, loud = ?, hosts = ? WHERE id = ?`,
		e.Why, string(e.Result), e.Error, e.Loud, hosts, e.ID)
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
	begun := map[uint64]int64{}  // by generation
	failed := map[string]int64{} // by host, the last one
	for i, e := range r.New {
		give(&e.ID, j.lastID+int64(i)+1)
		for h := range e.Hosts {
			s := &e.Hosts[h]
			if s.Armed != nil {
				begun[s.Armed.Generation] = e.ID
			}
			if e.What == pxepilot.Failed {
				failed[s.Host] = e.ID
			}
		}
	}
	for i := range r.Armed {
		a := &r.Armed[i]
		if id := begun[a.Generation]; a.Entry == 0 && id != 0 {
			give(&a.Entry, id)
		}
		if f := a.Failure; f != nil && f.Entry == 0 && failed[a.Host] != 0 {
			give(&f.Entry, failed[a.Host])
		}
	}
	return given
}

// back takes back what was given, for nothing was written.
func (n numbering) back() {
	for _, id := range n {
		*id = 0
	}
}
