package journal

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/pxe-pilot/pxe-pilot"
)

// A model is what a journal should know, in plain values.
type model struct {
	entries []pxepilot.Entry // by ID
	memory  pxepilot.Memory  // but for what is under way
}

func newModel() *model {
	return &model{memory: pxepilot.Memory{Known: map[string]pxepilot.Boot{}, Contents: map[string]string{}}}
}

func (m *model) clone() *model {
	c := *m
	c.entries = slices.Clone(m.entries)
	c.memory.Armings = slices.Clone(m.memory.Armings)
	c.memory.Ended = slices.Clone(m.memory.Ended)
	c.memory.Known = maps.Clone(m.memory.Known)
	c.memory.Contents = maps.Clone(m.memory.Contents)
	return &c
}

// write takes a record that was written.
func (m *model) write(r *pxepilot.Record) {
	for _, e := range r.New {
		m.entries = append(m.entries, *e)
	}
	for _, e := range r.Finished {
		i := slices.IndexFunc(m.entries, func(old pxepilot.Entry) bool { return old.ID == e.ID })
		old := m.entries[i]
		m.entries[i] = *e
		m.entries[i].Log = old.Log
	}
	gone := slices.Clone(r.Disarmed)
	for _, a := range r.Armed {
		gone = append(gone, a.Host)
		m.memory.Generation = max(m.memory.Generation, a.Generation)
	}
	m.memory.Armings = slices.DeleteFunc(m.memory.Armings, func(a pxepilot.Arming) bool { return slices.Contains(gone, a.Host) })
	for _, a := range r.Armed {
		if a.Failure != nil {
			f := *a.Failure
			a.Failure = &f
		}
		m.memory.Armings = append(m.memory.Armings, a)
	}
	slices.SortFunc(m.memory.Armings, func(a, b pxepilot.Arming) int { return strings.Compare(a.Host, b.Host) })
	m.memory.Generation = max(m.memory.Generation, r.Generation)
	for _, a := range r.Ended {
		m.memory.Ended = append(slices.DeleteFunc(m.memory.Ended, func(old pxepilot.Ended) bool { return old.Host == a.Host }), a)
	}
	slices.SortFunc(m.memory.Ended, func(a, b pxepilot.Ended) int { return strings.Compare(a.Host, b.Host) })
	for host, boot := range r.Known {
		m.memory.Known[host] = boot
		if boot == (pxepilot.Boot{}) {
			delete(m.memory.Known, host)
		}
	}
	for name, digest := range r.Contents {
		m.memory.Contents[name] = digest
		if digest == "" {
			delete(m.memory.Contents, name)
		}
	}
}

func (m *model) remember() *pxepilot.Memory {
	memory := m.memory
	for _, e := range m.entries {
		if e.Result == pxepilot.UnderWay {
			e.Log = ""
			memory.UnderWay = append(memory.UnderWay, &e)
		}
	}
	return &memory
}

func (m *model) ask(q pxepilot.Question) (answer []pxepilot.Entry) {
	for _, e := range slices.Backward(m.entries) {
		about := func(h pxepilot.Switch) bool { return h.Host == q.Host }
		if q.ID != 0 {
			if e.ID != q.ID {
				continue
			}
		} else {
			e.Log = ""
			if q.Host != "" && !slices.ContainsFunc(e.Hosts, about) || q.Actor != "" && e.Actor != q.Actor ||
				e.At.Before(q.Since) || q.Before != 0 && e.ID >= q.Before {
				continue
			}
		}
		if q.Hosts > 0 && q.Hosts < len(e.Hosts) {
			e.Hosts = slices.Clone(e.Hosts)
			slices.SortStableFunc(e.Hosts, func(a, b pxepilot.Switch) int {
				return cmp.Compare(btoi(b.Host == q.Host), btoi(a.Host == q.Host))
			})
			e.Hosts = e.Hosts[:q.Hosts]
		}
		answer = append(answer, e)
		if len(answer) == q.Most {
			break
		}
	}
	return answer
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// forget is what Prune does by age, as a whole.
func (m *model) forget(kept func(*pxepilot.Entry) bool) {
	last := m.entries[len(m.entries)-1].ID
	referred := map[int64]bool{last: true}
	for _, a := range m.memory.Armings {
		referred[a.Entry] = true
		if a.Failure != nil {
			referred[a.Failure.Entry] = true
		}
	}
	m.entries = slices.DeleteFunc(m.entries, func(e pxepilot.Entry) bool {
		return e.Result != pxepilot.UnderWay && !referred[e.ID] && !kept(&e)
	})
}
