package neighbour

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// A Binding is where a MAC address was when it was last seen.
type Binding struct {
	MAC pxepilot.MAC `json:"mac"`
	// Addrs is one address, unless the MAC was seen at several at once: the first
	// is then no better than the others.
	Addrs []netip.Addr `json:"addresses"`
	Seen  time.Time    `json:"seen"`
}

// Bindings are what a sweep found, all of them seen when it began. That is the
// earliest moment at which it can have been so: whatever is seen meanwhile in
// another way is newer.
func Bindings(reports []SubnetReport) []Binding {
	found := make(map[pxepilot.MAC]*Binding)
	for _, r := range reports {
		for mac, addrs := range r.Found {
			b := found[mac]
			if b == nil {
				b = &Binding{MAC: mac, Seen: r.Started}
				found[mac] = b
			}
			if r.Started.Before(b.Seen) {
				b.Seen = r.Started
			}
			for _, a := range addrs {
				if !slices.Contains(b.Addrs, a) {
					b.Addrs = append(b.Addrs, a)
				}
			}
		}
	}
	var all []Binding
	for _, mac := range slices.SortedFunc(maps.Keys(found), compareMACs) {
		all = append(all, *found[mac])
	}
	return all
}

// A Move is a MAC address that is no longer where it was.
type Move struct {
	MAC  pxepilot.MAC
	From []netip.Addr
	// To is empty where nobody saw it elsewhere, but TakenBy at its address since.
	To      []netip.Addr
	TakenBy pxepilot.MAC
}

// String says what became of it, in one line.
func (m Move) String() string {
	switch {
	case len(m.To) > 0:
		return fmt.Sprintf("%s moved from %s to %s", m.MAC, list(m.From), list(m.To))
	case m.TakenBy.IsZero():
		return fmt.Sprintf("%s is no longer at %s", m.MAC, list(m.From))
	}
	return fmt.Sprintf("%s is no longer at %s, where %s is now", m.MAC, list(m.From), m.TakenBy)
}

// News is what sightings changed.
type News struct {
	Moves     []Move
	Conflicts []Conflict // that the MACs in question have now
}

// A Table remembers where MAC addresses were seen, over a restart too. A newer
// sighting always wins, and an older one never does. An address at which another
// MAC was seen since is no longer anybody else's. All methods may be called by
// several goroutines at once.
type Table struct {
	file *file // nil: nothing is kept
	now  func() time.Time

	mu    sync.Mutex
	bound map[pxepilot.MAC]Binding
	at    map[netip.Addr][]pxepilot.MAC
	saved map[pxepilot.MAC]Binding // as on disk
}

// Bind notes sightings, and writes them down before it returns. The sightings of
// one sweep belong into one call. An error says that they are not on disk: they
// count all the same until the program ends.
func (t *Table) Bind(sightings ...Binding) (News, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := maps.Clone(t.bound)
	for _, s := range sightings {
		t.bind(s)
	}
	news := News{Moves: t.moves(before), Conflicts: t.conflicts(func(m pxepilot.MAC) bool {
		return slices.ContainsFunc(sightings, func(s Binding) bool { return s.MAC == m })
	})}
	if !t.unsaved() {
		return news, nil
	}
	return news, t.save()
}

// bind notes one sighting, if it is no older than what is known.
func (t *Table) bind(s Binding) {
	now := t.now()
	// Nothing was seen in the future: the clock was set meanwhile. What is
	// compared must also be what a restart reads: no monotonic clock.
	if s.Seen.After(now) {
		s.Seen = now
	}
	s.Seen = s.Seen.Round(0).UTC()
	var addrs []netip.Addr
	add := func(more []netip.Addr) {
		for _, a := range more {
			if a.IsValid() && !slices.Contains(addrs, a) {
				addrs = append(addrs, a)
			}
		}
	}
	add(s.Addrs)
	if s.MAC.IsZero() || len(addrs) == 0 {
		return
	}
	if old, known := t.bound[s.MAC]; known {
		c := s.Seen.Compare(seen(old, now))
		if c < 0 {
			return
		}
		if c == 0 { // of one moment: none is better, and what was known comes first
			addrs = nil
			add(old.Addrs)
			add(s.Addrs)
		}
	}
	s.Addrs = slices.DeleteFunc(addrs, func(a netip.Addr) bool { return !t.take(a, s, now) })
	t.put(s)
}

// take says whether an address of a sighting is its MAC's: nobody else was seen
// there since. Whoever was seen there before loses it.
func (t *Table) take(a netip.Addr, s Binding, now time.Time) bool {
	mine := true
	for _, mac := range slices.Clone(t.at[a]) {
		if mac == s.MAC {
			continue
		}
		other := t.bound[mac]
		switch c := s.Seen.Compare(seen(other, now)); {
		case c < 0:
			mine = false
		case c > 0:
			other.Addrs = slices.DeleteFunc(slices.Clone(other.Addrs), func(b netip.Addr) bool { return b == a })
			t.put(other)
		}
	}
	return mine
}

// moves lists who lost an address since before.
func (t *Table) moves(before map[pxepilot.MAC]Binding) []Move {
	var all []Move
	for _, mac := range slices.SortedFunc(maps.Keys(before), compareMACs) {
		from, to := before[mac].Addrs, t.bound[mac].Addrs
		i := slices.IndexFunc(from, func(a netip.Addr) bool { return !slices.Contains(to, a) })
		if i < 0 {
			continue
		}
		m := Move{MAC: mac, From: slices.Clone(from), To: slices.Clone(to)}
		if by := t.at[from[i]]; len(by) > 0 {
			m.TakenBy = by[0]
		}
		all = append(all, m)
	}
	return all
}

// seen is when a binding was seen. What claims to be of the future was seen while
// the clock was wrong, and gives way to whatever is seen now.
func seen(b Binding, now time.Time) time.Time {
	if b.Seen.After(now) {
		return time.Time{}
	}
	return b.Seen
}

// put sets the binding of a MAC; one without addresses is none.
func (t *Table) put(b Binding) {
	for _, a := range t.bound[b.MAC].Addrs {
		if t.at[a] = slices.DeleteFunc(t.at[a], func(m pxepilot.MAC) bool { return m == b.MAC }); len(t.at[a]) == 0 {
			delete(t.at, a)
		}
	}
	if len(b.Addrs) == 0 {
		delete(t.bound, b.MAC)
		return
	}
	t.bound[b.MAC] = b
	for _, a := range b.Addrs {
		t.at[a] = append(t.at[a], b.MAC)
	}
}

// Get tells where a MAC address was last seen.
func (t *Table) Get(mac pxepilot.MAC) (Binding, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b, ok := t.bound[mac]
	b.Addrs = slices.Clone(b.Addrs)
	return b, ok
}

// All lists all bindings, sorted by MAC address.
func (t *Table) All() []Binding {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all()
}

func (t *Table) all() []Binding {
	all := make([]Binding, 0, len(t.bound))
	for _, mac := range slices.SortedFunc(maps.Keys(t.bound), compareMACs) {
		b := t.bound[mac]
		b.Addrs = slices.Clone(b.Addrs)
		all = append(all, b)
	}
	return all
}

// Conflicts lists what contradicts itself among the latest sightings: MACs that
// were at several addresses at once, and addresses that several MACs claimed at
// once.
func (t *Table) Conflicts() []Conflict {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.conflicts(func(pxepilot.MAC) bool { return true })
}

func (t *Table) conflicts(about func(pxepilot.MAC) bool) []Conflict {
	var all []Conflict
	for _, mac := range slices.SortedFunc(maps.Keys(t.bound), compareMACs) {
		if addrs := t.bound[mac].Addrs; len(addrs) > 1 && about(mac) {
			all = append(all, Conflict{MACs: []pxepilot.MAC{mac}, Addrs: slices.SortedFunc(slices.Values(addrs), netip.Addr.Compare)})
		}
	}
	for _, a := range slices.SortedFunc(maps.Keys(t.at), netip.Addr.Compare) {
		if macs := t.at[a]; len(macs) > 1 && slices.ContainsFunc(macs, about) {
			all = append(all, Conflict{MACs: slices.SortedFunc(slices.Values(macs), compareMACs), Addrs: []netip.Addr{a}})
		}
	}
	return all
}
