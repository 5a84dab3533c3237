package neighbour

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/neighbour/lantest"
	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// Every address of the subnet answers, as fast as it is asked, and none is missed.
func TestDense(t *testing.T) {
	for _, subnet := range []string{"10.9.0.0/24", "10.9.0.0/20", "10.9.0.0/16"} {
		t.Run(strings.TrimPrefix(subnet, "10.9.0.0/"), func(t *testing.T) {
			l := lan(t)
			p := netip.MustParsePrefix(subnet)
			l.Wire(fmt.Sprintf("10.9.0.1/%d", p.Bits())).Fill(subnet, "10.9.0.1")
			repeat := 1
			if testenv.Soak() {
				repeat = 20
			}
			for _, who := range []lantest.Privilege{lantest.Root, lantest.RawOnly} {
				for range repeat {
					got := sweepAs(t, l, who, Request{Subnets: []netip.Prefix{p}, Wanted: []pxepilot.MAC{macA}})[0]
					all := 1<<(32-p.Bits()) - 3 // neither the network, nor everybody, nor ourselves
					if got.Method != ByARP || got.Asked != all || got.Answered != all || got.Err != "" {
						t.Errorf("as %s: asked %d, answered %d of %d by %s in %s: %s %s",
							who, got.Asked, got.Answered, all, got.Method, got.Elapsed, got.Note, got.Err)
					}
				}
			}
		})
	}
}

// A few machines in much emptiness, among them BMCs; one BMC is missing.
func TestSparse(t *testing.T) {
	t.Parallel()
	l := lan(t)
	w := l.Wire("10.9.0.1/20")
	w.Machine(macA, "10.9.0.9")
	w.Machine(macB, "10.9.15.254")
	for i := range 4 {
		w.Machine(pxepilot.MAC{2, 9, 0, 0, 0, byte(i)}, fmt.Sprintf("10.9.%d.77", 2+3*i))
	}
	for _, who := range []lantest.Privilege{lantest.Root, lantest.RawOnly} {
		got := sweepAs(t, l, who, Request{Subnets: prefixes("10.9.0.0/20"), Wanted: []pxepilot.MAC{macC, macB, macA}, Rate: DefaultRate})[0]
		if got.Method != ByARP || got.Interface != "near0" || got.Asked != 4093 || got.Answered != 6 || got.Err != "" || got.Note != "" {
			t.Errorf("as %s: got %+v", who, got)
		}
		// Two rounds of 4,093 packets at 10,000 a second.
		if got.Elapsed < 700*time.Millisecond {
			t.Errorf("as %s it took only %s", who, got.Elapsed)
		}
		found := map[pxepilot.MAC][]netip.Addr{macA: addrs("10.9.0.9"), macB: addrs("10.9.15.254")}
		if diff := cmp.Diff(found, got.Found, byValue...) + cmp.Diff([]pxepilot.MAC{macC}, got.Missing) + cmp.Diff([]Conflict(nil), got.Duplicates, byValue...); diff != "" {
			t.Errorf("as %s:\n%s", who, diff)
		}
	}
	got := sweepAs(t, l, lantest.None, Request{Subnets: prefixes("10.9.0.0/20"), Wanted: []pxepilot.MAC{macA}})[0]
	if got.Asked != 0 || !strings.Contains(got.Err, "10.9.0.0/20 is larger than the /22") || !strings.Contains(got.Err, "CAP_NET_RAW") {
		t.Errorf("with %s: got %+v", lantest.None, got)
	}
}

// Without CAP_NET_RAW small subnets are swept all the same, with a note; a BMC
// that moved is found where it is, not where the kernel remembers it.
func TestUnprivileged(t *testing.T) {
	t.Parallel()
	t.Run("dense", func(t *testing.T) {
		t.Parallel()
		l := lan(t)
		l.Wire("10.9.0.1/24").Fill("10.9.0.0/24", "10.9.0.1")
		got := sweepAs(t, l, lantest.None, Request{Subnets: prefixes("10.9.0.0/24")})[0]
		if got.Method != ByKernel || got.Asked != 253 || got.Answered != 253 || got.Err != "" ||
			!strings.Contains(got.Note, "gc_thresh3") || got.Elapsed < time.Second {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("sparse", func(t *testing.T) {
		t.Parallel()
		l := lan(t)
		w := l.Wire("10.9.0.1/23", "10.9.8.1/26")
		w.Machine(macA, "10.9.0.9")
		bmc := w.Machine(macB)
		for _, now := range []string{"10.9.8.60", "10.9.8.7"} {
			bmc.Move(now)
			all := sweepAs(t, l, lantest.None, Request{Subnets: prefixes("10.9.8.0/26", "10.9.0.0/26"), Wanted: []pxepilot.MAC{macC, macB, macA}})
			first := map[pxepilot.MAC][]netip.Addr{macB: addrs(now)}
			second := map[pxepilot.MAC][]netip.Addr{macA: addrs("10.9.0.9")}
			if diff := cmp.Diff(first, all[0].Found, byValue...) + cmp.Diff(second, all[1].Found, byValue...); diff != "" {
				t.Error(diff)
			}
			for i, asked := range []int{61, 62} {
				got := all[i]
				if got.Asked != asked || got.Answered != 1 || got.Err != "" || len(got.Duplicates) > 0 || cmp.Diff([]pxepilot.MAC{macC}, got.Missing) != "" {
					t.Errorf("got %+v", got)
				}
			}
		}
	})
	t.Run("stops early", func(t *testing.T) {
		t.Parallel()
		l := lan(t)
		l.Wire("10.9.0.1/22").Machine(macA, "10.9.0.9")
		got := sweepAs(t, l, lantest.None, Request{Subnets: prefixes("10.9.0.0/22"), Wanted: []pxepilot.MAC{macA}})[0]
		if got.Asked > 900 || len(got.Found) != 1 {
			t.Errorf("got %+v", got)
		}
	})
}

// The kernel's table is not filled to its last entry, for this machine has others
// to speak with; and that a sweep was cut short for it is told.
func TestTableFull(t *testing.T) {
	t.Parallel()
	l := lan(t)
	l.Wire("10.9.0.1/24").Fill("10.9.0.0/24", "10.9.0.1")
	w := l.Wire("10.8.0.1/24")
	w.Machine(macA, "10.8.0.5")
	subnets := prefixes("10.8.0.0/30", "10.9.0.0/24")
	var err error
	ledger := newLedger(nil)
	l.Do(func() {
		var n *network
		if n, err = look(); err != nil {
			return
		}
		for _, subnet := range subnets {
			p, perr := n.path(subnet)
			err = errors.Join(err, perr)
			ledger.targets = append(ledger.targets, newTarget(subnet, p, n.own))
		}
		if err == nil {
			k := &kernel{ledger: ledger, targets: ledger.targets, pacer: newPacer(kernelRate), began: time.Now(), entries: 100 + spareEntries}
			k.sweep(t.Context())
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	small, large := ledger.targets[0], ledger.targets[1]
	if small.err != nil || small.nAsked != 2 {
		t.Errorf("%d of %s asked, %v", small.nAsked, small.subnet, small.err)
	}
	if large.nAsked < 100 || large.nAsked == large.total() || large.nAnswered < 100 || large.err == nil ||
		!strings.Contains(large.err.Error(), "10.9.0.0/24 stopped after") || !strings.Contains(large.err.Error(), "gc_thresh3 (356)") {
		t.Errorf("%d of %s asked, %d answered, %v", large.nAsked, large.subnet, large.nAnswered, large.err)
	}
}

// The sweep ends once each wanted MAC was seen, on whatever interface.
func TestStopsEarly(t *testing.T) {
	t.Parallel()
	l := lan(t)
	l.Wire("10.9.0.1/16").Machine(macA, "10.9.0.9")
	l.Wire("10.10.0.1/16").Machine(macB, "10.10.0.10")
	start := time.Now()
	for _, got := range sweepIn(t, l, Request{Subnets: prefixes("10.9.0.0/16", "10.10.0.0/16"), Wanted: []pxepilot.MAC{macA, macB}, Rate: DefaultRate}) {
		if got.Asked > 10_000 || got.Answered != 1 || len(got.Found) != 1 || len(got.Missing) > 0 || got.Err != nil {
			t.Errorf("got %+v", got)
		}
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestDuplicates(t *testing.T) {
	t.Parallel()
	l := lan(t)
	w := l.Wire("10.9.0.1/24")
	w.Machine(macA, "10.9.0.5", "10.9.0.6")
	w.Machine(macB, "10.9.0.7")
	w.Machine(pxepilot.MAC{2, 9, 0, 0, 0, 1}, "10.9.0.7")
	w.Machine(pxepilot.MAC{2, 9, 0, 0, 0, 2}, "10.9.0.8")
	w.Machine(pxepilot.MAC{2, 9, 0, 0, 0, 3}, "10.9.0.8") // none of ours
	got := sweepIn(t, l, Request{Subnets: prefixes("10.9.0.0/24"), Wanted: []pxepilot.MAC{macA, macB, macC}})[0]
	want := []Conflict{
		{MACs: []pxepilot.MAC{macA}, Addrs: addrs("10.9.0.5", "10.9.0.6")},
		{MACs: []pxepilot.MAC{macB, {2, 9, 0, 0, 0, 1}}, Addrs: addrs("10.9.0.7")},
	}
	if diff := cmp.Diff(want, got.Duplicates, byValue...); diff != "" || got.Answered != 4 {
		t.Errorf("%d answered\n%s", got.Answered, diff)
	}
	// Even where the sweep stops early, who answers in the same moment is heard.
	got = sweepIn(t, l, Request{Subnets: prefixes("10.9.0.0/24"), Wanted: []pxepilot.MAC{macB}})[0]
	if diff := cmp.Diff(want[1:], got.Duplicates, byValue...); diff != "" {
		t.Error(diff)
	}
}

// A BMC that changes its address is found again, and the newer sighting wins.
func TestMoves(t *testing.T) {
	t.Parallel()
	l := lan(t)
	w := l.Wire("10.9.0.1/24")
	bmc := w.Machine(macA, "10.9.0.5")
	table := open(t, Options{Now: time.Now})
	bind := func() News {
		t.Helper()
		news, err := table.Bind(Bindings(sweepIn(t, l, Request{Subnets: prefixes("10.9.0.0/24", "10.9.0.0/25"), Wanted: []pxepilot.MAC{macA}}))...)
		if err != nil {
			t.Fatal(err)
		}
		return news
	}
	if news := bind(); len(news.Moves)+len(news.Conflicts) > 0 {
		t.Errorf("got %v", news)
	}
	before, _ := table.Get(macA)
	bmc.Move("10.9.0.6")
	if news := bind(); len(news.Moves) != 1 || news.Moves[0].String() != "02:00:00:00:00:0a moved from 10.9.0.5 to 10.9.0.6" {
		t.Errorf("got %v", news)
	}
	if _, err := table.Bind(before); err != nil {
		t.Fatal(err)
	}
	if got, _ := table.Get(macA); cmp.Diff(addrs("10.9.0.6"), got.Addrs, byValue...) != "" {
		t.Errorf("got %v", got)
	}
}
