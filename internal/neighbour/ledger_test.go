package neighbour

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pxe-pilot/pxe-pilot"
)

var (
	macA = mac("02:00:00:00:00:0a")
	macB = mac("02:00:00:00:00:0b")
	macC = mac("02:00:00:00:00:0c")

	byValue = []cmp.Option{cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})}
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func addrs(all ...string) (list []netip.Addr) {
	for _, s := range all {
		list = append(list, addr(s))
	}
	return list
}

func prefixes(all ...string) (list []netip.Prefix) {
	for _, s := range all {
		list = append(list, netip.MustParsePrefix(s))
	}
	return list
}

// Who is not asked: nobody's addresses of what is on-link, and our own.
func TestTarget(t *testing.T) {
	own := map[netip.Addr]pxepilot.MAC{addr("10.0.0.1"): macA, addr("10.0.1.77"): macA}
	for _, tt := range []struct {
		subnet, onLink string
		total          int
		skipped        []string
	}{
		{"10.0.0.0/24", "10.0.0.0/24", 253, []string{"10.0.0.0", "10.0.0.1", "10.0.0.255"}},
		{"10.0.1.0/24", "10.0.0.0/16", 255, []string{"10.0.1.77"}},
		{"10.0.0.0/16", "10.0.0.0/16", 65532, []string{"10.0.0.0", "10.0.255.255", "10.0.0.1"}},
		{"10.0.0.0/31", "10.0.0.0/31", 1, []string{"10.0.0.1"}},
		{"10.0.0.4/30", "10.0.0.4/30", 2, []string{"10.0.0.4", "10.0.0.7"}},
		{"10.0.0.9/32", "10.0.0.0/24", 1, nil},
		{"10.0.0.9/32", "10.0.0.9/32", 1, nil},
		{"10.0.0.1/32", "10.0.0.0/24", 0, []string{"10.0.0.1"}},
	} {
		target := newTarget(netip.MustParsePrefix(tt.subnet), path{onLink: netip.MustParsePrefix(tt.onLink)}, own)
		l := newLedger(nil)
		asked := 0
		for i := range target.answered {
			if l.ask(target, i) {
				asked++
			}
		}
		if target.total() != tt.total || asked != tt.total || target.nAsked != tt.total {
			t.Errorf("%s in %s: %d to ask, asked %d and %d, want %d", tt.subnet, tt.onLink, target.total(), asked, target.nAsked, tt.total)
		}
		for _, a := range tt.skipped {
			if !target.skip[toUint(addr(a))] {
				t.Errorf("%s in %s: %s is asked", tt.subnet, tt.onLink, a)
			}
		}
	}
}

func TestLedger(t *testing.T) {
	make2 := func(wanted ...pxepilot.MAC) *ledger {
		l := newLedger(wanted)
		for _, s := range []string{"10.0.0.0/24", "10.0.1.0/24"} {
			p := netip.MustParsePrefix(s)
			target := newTarget(p, path{onLink: p}, nil)
			for i := range target.answered {
				l.ask(target, i)
			}
			l.targets = append(l.targets, target)
		}
		return l
	}
	type answer struct {
		mac  pxepilot.MAC
		addr string
	}
	for _, tt := range []struct {
		name     string
		wanted   []pxepilot.MAC
		answers  []answer
		answered int
		found    map[pxepilot.MAC][]netip.Addr // in the first subnet
		missing  []pxepilot.MAC
		all      bool
		dups     []string // in the first subnet
	}{
		{name: "nobody", wanted: []pxepilot.MAC{macB, macA}, missing: []pxepilot.MAC{macA, macB}},
		{name: "nobody wanted", answers: []answer{{macA, "10.0.0.5"}}, answered: 1},
		{name: "wanted by nobody can be", wanted: []pxepilot.MAC{{}}},
		{
			name: "found, and heard twice", wanted: []pxepilot.MAC{macA}, answers: []answer{{macA, "10.0.0.5"}, {macB, "10.0.0.6"}, {macA, "10.0.0.5"}},
			answered: 2, found: map[pxepilot.MAC][]netip.Addr{macA: addrs("10.0.0.5")}, all: true,
		},
		{
			name: "at two addresses", wanted: []pxepilot.MAC{macA}, answers: []answer{{macA, "10.0.0.6"}, {macA, "10.0.0.5"}},
			answered: 2, found: map[pxepilot.MAC][]netip.Addr{macA: addrs("10.0.0.6", "10.0.0.5")}, all: true,
			dups: []string{"02:00:00:00:00:0a is at 2 addresses: 10.0.0.5, 10.0.0.6"},
		},
		{
			name: "in two subnets", wanted: []pxepilot.MAC{macA}, answers: []answer{{macA, "10.0.0.6"}, {macA, "10.0.1.6"}},
			answered: 1, found: map[pxepilot.MAC][]netip.Addr{macA: addrs("10.0.0.6")}, all: true,
			dups: []string{"02:00:00:00:00:0a is at 2 addresses: 10.0.0.6, 10.0.1.6"},
		},
		{
			name: "an address of two", wanted: []pxepilot.MAC{macA, macC}, answers: []answer{{macB, "10.0.0.6"}, {macA, "10.0.0.6"}, {macB, "10.0.0.6"}},
			answered: 1, found: map[pxepilot.MAC][]netip.Addr{macA: addrs("10.0.0.6")}, missing: []pxepilot.MAC{macC},
			dups: []string{"10.0.0.6 is claimed by 2 MAC addresses: 02:00:00:00:00:0a, 02:00:00:00:00:0b"},
		},
		{
			name: "an address of two others", wanted: []pxepilot.MAC{macC}, answers: []answer{{macB, "10.0.0.6"}, {macA, "10.0.0.6"}},
			answered: 1, missing: []pxepilot.MAC{macC},
		},
		{
			name: "not asked", wanted: []pxepilot.MAC{macA}, answers: []answer{{macA, "10.0.0.255"}, {macA, "10.0.2.1"}, {macA, "9.255.255.255"}},
			missing: []pxepilot.MAC{macA},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := make2(tt.wanted...)
			for _, a := range tt.answers {
				l.saw(l.targets, toUint(addr(a.addr)), a.mac)
			}
			first := l.targets[0]
			var dups []string
			for _, c := range l.conflicts(first) {
				dups = append(dups, c.String())
			}
			if first.nAnswered != tt.answered || l.everythingSeen() != tt.all {
				t.Errorf("%d answered, all were seen: %t; want %d, %t", first.nAnswered, l.everythingSeen(), tt.answered, tt.all)
			}
			if diff := cmp.Diff(tt.found, first.found, byValue...) + cmp.Diff(tt.missing, l.missing(), byValue...) + cmp.Diff(tt.dups, dups); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Who answers with one lie after the other neither fills the memory nor hides
// the BMC.
func TestLedgerFlooded(t *testing.T) {
	p := netip.MustParsePrefix("10.0.0.0/24")
	target := newTarget(p, path{onLink: p}, nil)
	l := newLedger([]pxepilot.MAC{macA})
	l.targets = append(l.targets, target)
	l.ask(target, 5)
	for i := range 10_000 {
		l.saw(l.targets, toUint(addr("10.0.0.5")), pxepilot.MAC{2, 1, 0, 0, byte(i >> 8), byte(i)})
	}
	l.saw(l.targets, toUint(addr("10.0.0.5")), macA)
	if claims := target.claims[addr("10.0.0.5")]; len(claims) > 9 {
		t.Errorf("%d claims are kept", len(claims))
	}
	if diff := cmp.Diff(map[pxepilot.MAC][]netip.Addr{macA: addrs("10.0.0.5")}, target.found, byValue...); diff != "" {
		t.Error(diff)
	}
	if got := fmt.Sprint(l.conflicts(target)); len(got) > 200 || len(l.conflicts(target)) != 1 {
		t.Errorf("told %s", got)
	}
}
