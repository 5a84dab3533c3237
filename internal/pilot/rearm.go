package pilot

import (
	"maps"
	"slices"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// A rearming is which armings begin, change and end by a record, while that is made.
type rearming struct {
	b     *book
	armed map[string]*pxepilot.Arming // by host; nil where one ends
	ended map[string]pxepilot.Ended
}

func (b *book) rearming() *rearming {
	return &rearming{b: b, armed: map[string]*pxepilot.Arming{}, ended: map[string]pxepilot.Ended{}}
}

// of is the arming of a host as it is once the record is written; nil for none.
func (r *rearming) of(host string) *pxepilot.Arming {
	if a, changes := r.armed[host]; changes {
		return a
	}
	return r.b.armings.Of(host).Arming
}

// hosts are those that are armed before or by the record.
func (r *rearming) hosts() []string {
	all := r.b.armings.Hosts()
	for host := range r.armed {
		if r.b.armings.Of(host).Arming == nil {
			all = append(all, host)
		}
	}
	slices.Sort(all)
	return all
}

// anchor has all that is armed counted on from now.
func (r *rearming) anchor(now pxepilot.Moment) {
	for _, host := range r.hosts() {
		if a := r.of(host); a != nil {
			r.set(a.Anchored(now))
		}
	}
}

// set has a host armed so.
func (r *rearming) set(a pxepilot.Arming) { r.armed[a.Host] = &a }

// end ends the arming of a host by an entry, and returns it.
func (r *rearming) end(host string, how pxepilot.What, at time.Time) *pxepilot.Arming {
	a := r.of(host)
	r.armed[host] = nil
	if a != nil {
		r.ended[host] = pxepilot.Ended{Arming: *a, How: how, At: at}
	}
	return a
}

// into adds all that to the record.
func (r *rearming) into(record *pxepilot.Record) {
	for _, host := range slices.Sorted(maps.Keys(r.armed)) {
		if a := r.armed[host]; a != nil {
			record.Armed = append(record.Armed, *a)
		} else {
			record.Disarmed = append(record.Disarmed, host)
		}
	}
	for _, host := range slices.Sorted(maps.Keys(r.ended)) {
		record.Ended = append(record.Ended, r.ended[host])
	}
}

// replaces says whether an entry of that kind ends what was armed before.
var replaces = map[pxepilot.What]bool{
	pxepilot.Deployed: true, pxepilot.Cleared: true, pxepilot.Undone: true, pxepilot.PutBack: true, pxepilot.Finished: true, pxepilot.TimedOut: true,
}

// settle notes which armings begin and end with an entry that has a result now, but
// for hosts that later ones are of. Of a host of which nobody knows what became, the
// arming stays that has most to do with it.
func (r *rearming) settle(e *pxepilot.Entry, later map[string]bool) {
	now := r.b.clock()
	for i := range e.Hosts {
		s := &e.Hosts[i]
		came := cameOf(e, s)
		old := r.of(s.Host)
		// What an earlier server armed may not be known yet.
		nothing := old == nil && s.Armed == nil && r.b.remembered
		if nothing || came != pxepilot.Done && came != pxepilot.Unclear || later[s.Host] {
			continue
		}
		switch {
		case s.Armed != nil && came == pxepilot.Unclear && old != nil && s.Armed.After == old.Generation:
			s.Armed = nil // it goes on from the old one, which is tried again
		case s.Armed != nil && came == pxepilot.Unclear && s.After.Configuration != "" && s.After.Configuration != s.Armed.Configuration:
			s.Armed = nil // what was found is of another one
		case s.Armed != nil:
			s.Ended = r.end(s.Host, e.What, e.At)
			a := *s.Armed
			if a.Entry = e.ID; a.Deadline.Boot != now.Boot { // it was cut off by a reboot of this machine
				a = a.Anchored(now)
			}
			r.set(a)
		case came == pxepilot.Done && replaces[e.What]:
			s.Ended = r.end(s.Host, e.What, e.At)
		}
	}
}

// finish notes of an installer that was done, and whose host was not switched before
// the server ended, that it is done.
func (r *rearming) finish(e *pxepilot.Entry, later map[string]bool) {
	for i := range e.Hosts {
		s := &e.Hosts[i]
		a := r.of(s.Host)
		if e.What == pxepilot.Finished && cameOf(e, s) == pxepilot.NotDone && a != nil && a.Finished.IsZero() && a.Entry < e.ID && !later[s.Host] {
			finished := *a
			finished.Finished = e.At
			r.set(finished)
		}
	}
}

// changed lists the hosts whose armings are others by a record.
func changed(record *pxepilot.Record) map[string]bool {
	hosts := make(map[string]bool, len(record.Armed)+len(record.Disarmed))
	for i := range record.Armed {
		hosts[record.Armed[i].Host] = true
	}
	for _, host := range record.Disarmed {
		hosts[host] = true
	}
	return hosts
}

// stamp makes an arming that was planned one of its own, from now on.
func (b *book) stamp(planned *pxepilot.Arming) *pxepilot.Arming {
	now := b.clock()
	a := *planned
	b.generation++
	a.Generation, a.Armed, a.Deadline = b.generation, now.Wall, now.In(a.Within)
	return &a
}
