package neighbour

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// A target is one subnet of a sweep: how it is asked, and what came of it.
type target struct {
	subnet netip.Prefix
	path   path
	first  uint32          // the subnet's first address, as a number
	skip   map[uint32]bool // its addresses that are not asked

	// Guarded by the ledger. Indexed by the offset of the address.
	asked     []bool
	answered  []pxepilot.MAC // the first to answer; zero: nobody has
	nAsked    int
	nAnswered int
	found     map[pxepilot.MAC][]netip.Addr
	claims    map[netip.Addr][]pxepilot.MAC // of addresses with several MACs
	started   time.Time
	elapsed   time.Duration
	err       error
}

func newTarget(subnet netip.Prefix, p path, own map[netip.Addr]pxepilot.MAC) *target {
	size := 1 << (32 - subnet.Bits())
	t := &target{
		subnet: subnet, path: p, first: toUint(subnet.Addr()), skip: make(map[uint32]bool),
		asked: make([]bool, size), answered: make([]pxepilot.MAC, size),
		found: make(map[pxepilot.MAC][]netip.Addr), claims: make(map[netip.Addr][]pxepilot.MAC),
	}
	leave := func(a netip.Addr) {
		if subnet.Contains(a) {
			t.skip[toUint(a)] = true
		}
	}
	// The first and the last address of what is on-link are nobody's, but those
	// of a part of it may well be somebody's. Two addresses are one each (RFC 3021).
	if on := p.onLink; on.Bits() < 31 {
		leave(on.Addr())
		leave(toAddr(toUint(on.Addr()) | ^uint32(0)>>on.Bits()))
	}
	for a := range own {
		leave(a)
	}
	return t
}

// total is how many addresses there are to ask.
func (t *target) total() int { return len(t.answered) - len(t.skip) }

// A ledger is what a sweep has seen so far, over all subnets.
type ledger struct {
	mu      sync.Mutex
	targets []*target
	wanted  map[pxepilot.MAC]bool // whether it was seen
	unseen  int

	// all is closed when every wanted MAC address was seen.
	all chan struct{}
}

func newLedger(wanted []pxepilot.MAC) *ledger {
	l := &ledger{wanted: make(map[pxepilot.MAC]bool), all: make(chan struct{})}
	for _, m := range wanted {
		if !m.IsZero() {
			l.wanted[m] = false
		}
	}
	l.unseen = len(l.wanted)
	return l
}

// saw notes that mac is at addr. It counts the targets in which that is the
// first answer for the address, and those in which another answered before.
func (l *ledger) saw(targets []*target, addr uint32, mac pxepilot.MAC) (first, again int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range targets {
		i := addr - t.first
		if addr < t.first || i >= uint32(len(t.answered)) || !t.asked[i] {
			continue
		}
		switch t.answered[i] {
		case mac:
			continue
		case pxepilot.MAC{}:
			t.answered[i] = mac
			t.nAnswered++
			first++
		default:
			if !l.contradict(t, addr, mac) {
				continue
			}
			again++
		}
		l.find(t, addr, mac)
	}
	return first, again
}

// contradict notes that a second MAC address answered for an address.
func (l *ledger) contradict(t *target, addr uint32, mac pxepilot.MAC) (news bool) {
	a := toAddr(addr)
	if t.claims[a] == nil {
		t.claims[a] = []pxepilot.MAC{t.answered[addr-t.first]}
	}
	// Who floods the subnet with lies must not fill our memory, nor hide a BMC.
	const enough = 8
	_, wanted := l.wanted[mac]
	if slices.Contains(t.claims[a], mac) || !wanted && len(t.claims[a]) >= enough {
		return false
	}
	t.claims[a] = append(t.claims[a], mac)
	return true
}

// find notes an address of a wanted MAC.
func (l *ledger) find(t *target, addr uint32, mac pxepilot.MAC) {
	seen, wanted := l.wanted[mac]
	if !wanted {
		return
	}
	t.found[mac] = append(t.found[mac], toAddr(addr))
	if seen {
		return
	}
	l.wanted[mac] = true
	if l.unseen--; l.unseen == 0 {
		close(l.all)
	}
}

// foundOurs notes wanted MACs that are of our own interfaces: nobody is asked
// for those.
func (l *ledger) foundOurs(own map[netip.Addr]pxepilot.MAC) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.targets {
		for a, mac := range own {
			if t.subnet.Contains(a) {
				l.find(t, toUint(a), mac)
			}
		}
	}
}

// everythingSeen says whether there is nothing left to look for.
func (l *ledger) everythingSeen() bool {
	select {
	case <-l.all:
		return true
	default:
		return false
	}
}

// ask says whether an address is to be asked, and notes that it was.
func (l *ledger) ask(t *target, i int) bool {
	if t.skip[t.first+uint32(i)] {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !t.answered[i].IsZero() {
		return false
	}
	if !t.asked[i] {
		t.asked[i] = true
		t.nAsked++
	}
	return true
}

// end notes how long targets took, and what went wrong.
func (l *ledger) end(targets []*target, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range targets {
		t.elapsed, t.err = time.Since(t.started), err
	}
}

// conflicts lists what contradicts itself about the wanted ones, as far as it
// touches t. What others of the subnet claim is none of our business.
func (l *ledger) conflicts(t *target) []Conflict {
	var all []Conflict
	for _, mac := range slices.SortedFunc(maps.Keys(t.found), compareMACs) {
		var addrs []netip.Addr
		for _, other := range l.targets {
			addrs = append(addrs, other.found[mac]...)
		}
		slices.SortFunc(addrs, netip.Addr.Compare)
		if addrs = slices.Compact(addrs); len(addrs) > 1 {
			all = append(all, Conflict{MACs: []pxepilot.MAC{mac}, Addrs: addrs})
		}
	}
	for _, a := range slices.SortedFunc(maps.Keys(t.claims), netip.Addr.Compare) {
		macs := slices.SortedFunc(slices.Values(t.claims[a]), compareMACs)
		if slices.ContainsFunc(macs, func(m pxepilot.MAC) bool { _, ok := l.wanted[m]; return ok }) {
			all = append(all, Conflict{MACs: macs, Addrs: []netip.Addr{a}})
		}
	}
	return all
}

// missing lists the wanted MACs that were seen nowhere.
func (l *ledger) missing() []pxepilot.MAC {
	var all []pxepilot.MAC
	for mac, seen := range l.wanted {
		if !seen {
			all = append(all, mac)
		}
	}
	slices.SortFunc(all, compareMACs)
	return all
}

func (l *ledger) progress(t *target) Progress {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Progress{Subnet: t.subnet, Asked: t.nAsked, Total: t.total(), Answered: t.nAnswered, Found: len(t.found)}
}

// isSeen says whether a MAC address is a wanted one that was seen.
func (l *ledger) isSeen(mac pxepilot.MAC) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wanted[mac]
}
