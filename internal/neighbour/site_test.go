package neighbour

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
)

// A machine with several interfaces, and subnets of every kind: each is asked
// where it is, and what is wrong with one does not hold up the others.
func TestSite(t *testing.T) {
	t.Parallel()
	l := lan(t)
	first := l.Wire("10.1.0.1/24", "10.5.0.1/32")
	first.Machine(macA, "10.1.0.5")
	second := l.Wire("10.2.0.1/24")
	second.Machine(macB, "10.2.0.5", "10.3.0.5")
	l.Wire("10.4.0.1/24") // its cable is out
	l.IP("link set near2 down")
	bare := l.Wire() // without any address
	bare.Machine(macC, "10.6.0.5")
	l.IP("route add 10.3.0.0/24 dev near1 scope link")
	l.IP("route add 10.6.0.0/24 dev near3 scope link")
	l.IP("route add 10.7.0.0/24 via 10.1.0.254")
	var ours pxepilot.MAC
	for m, at := range l.NearMACs() {
		if at == "near0" {
			ours = m
		}
	}

	reports := sweepIn(t, l, Request{
		Subnets: prefixes("10.1.0.77/24", "10.1.0.0/24", "10.2.0.0/24", "10.3.0.0/25", "10.4.0.0/24", "10.5.0.1/32",
			"10.6.0.0/24", "10.7.0.0/24", "10.1.0.0/23", "192.0.2.0/24", "fd00::/120", "10.0.0.0/8", "127.0.0.0/24"),
		Wanted: []pxepilot.MAC{macA, macB, macC, ours, mac("02:00:00:00:00:ff")},
		Rate:   DefaultRate,
	})
	type row struct {
		Subnet, Interface string
		Asked, Answered   int
		Found             string
		Err               string // a part
	}
	want := []row{
		{"10.1.0.0/24", "near0", 253, 1, "10.1.0.1 10.1.0.5", ""},
		{"10.2.0.0/24", "near1", 253, 1, "10.2.0.5", ""},
		{"10.3.0.0/25", "near1", 127, 1, "10.3.0.5", ""},
		{"10.4.0.0/24", "", 0, 0, "", "interface near2, which is down"},
		{"10.5.0.1/32", "", 0, 0, "", "no interface is in it"},
		{"10.6.0.0/24", "near3", 254, 1, "10.6.0.5", ""},
		{"10.7.0.0/24", "", 0, 0, "", "behind the gateway 10.1.0.254"},
		{"10.1.0.0/23", "", 0, 0, "", "in part only (10.1.0.0/24 at interface near0)"},
		{"192.0.2.0/24", "", 0, 0, "", "is not on-link (no interface is in it); set ipmi.hostname"},
		{"fd00::/120", "", 0, 0, "", "is IPv6"},
		{"10.0.0.0/8", "", 0, 0, "", "has 16777216 addresses, and at most a /16 is swept"},
		{"127.0.0.0/24", "", 0, 0, "", "interface lo, which is this machine itself"},
	}
	var got []row
	for i, r := range reports {
		var found []string
		for _, all := range r.Found {
			for _, a := range all {
				found = append(found, a.String())
			}
		}
		slices.Sort(found)
		one := row{r.Subnet.String(), r.Interface, r.Asked, r.Answered, strings.Join(found, " "), ""}
		if r.Err != nil {
			one.Err = r.Err.Error()
			if i < len(want) && want[i].Err != "" && strings.Contains(one.Err, want[i].Err) {
				one.Err = want[i].Err
			}
		}
		got = append(got, one)
		if diff := cmp.Diff([]pxepilot.MAC{mac("02:00:00:00:00:ff")}, r.Missing); diff != "" {
			t.Errorf("%s: missing:\n%s", r.Subnet, diff)
		}
		if r.Err != nil && (r.Method != "" || strings.Contains(r.Err.Error(), "\n")) {
			t.Errorf("%s: by %s: %v", r.Subnet, r.Method, r.Err)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// macB is in two subnets of the sweep.
	if got := reports[1].Duplicates; len(got) != 1 || got[0].String() != "02:00:00:00:00:0b is at 2 addresses: 10.2.0.5, 10.3.0.5" {
		t.Errorf("got %v", got)
	}
}

func TestBadRequests(t *testing.T) {
	var many []netip.Prefix
	for i := range mostSubnets + 1 {
		many = append(many, netip.PrefixFrom(toAddr(uint32(i)), 32))
	}
	for want, r := range map[string]Request{
		"-1 packets a second":              {Rate: -1},
		"a subnet of the sweep is none":    {Subnets: []netip.Prefix{{}}},
		"4097 subnets are too many":        {Subnets: many},
		"more than 1048576 addresses, too": {Subnets: huge()},
	} {
		if strings.HasPrefix(want, "more than") {
			l := lan(t)
			l.Wire("10.9.0.1/11")
			l.Do(func() { checkBad(t, want, r) })
			continue
		}
		checkBad(t, want, r)
	}
}

// huge is seventeen /16.
func huge() (all []netip.Prefix) {
	for i := range 17 {
		all = append(all, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), 0, 0}), 16))
	}
	return all
}

func checkBad(t *testing.T, want string, r Request) {
	t.Helper()
	reports, err := Sweep(t.Context(), r)
	if reports != nil || err == nil || !strings.Contains(err.Error(), want) || pxepilot.ErrorCode(err) != pxepilot.Invalid {
		t.Errorf("got %v, %v; want an error with %q", reports, err, want)
	}
}

// A sweep ends with its context, and tells what it saw until then; meanwhile it
// says how far it is.
func TestCutOff(t *testing.T) {
	t.Parallel()
	l := lan(t)
	l.Wire("10.9.0.1/16").Machine(macA, "10.9.0.9")
	for _, rate := range []int{100, 2000} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var end time.Time
		var told []Progress
		var reports []SubnetReport
		var err error
		l.Do(func() {
			reports, err = Sweep(ctx, Request{
				Subnets: prefixes("10.9.0.0/16"), Wanted: []pxepilot.MAC{macA, macB}, Rate: rate,
				Progress: func(p Progress) {
					told = append(told, p)
					if p.Found == 1 && end.IsZero() {
						end = time.Now()
						cancel()
					}
				},
			})
		})
		if took := time.Since(end); took > time.Second {
			t.Errorf("it went on for %s", took)
		}
		got := reports[0]
		if !errors.Is(err, context.Canceled) || !errors.Is(got.Err, context.Canceled) || !strings.Contains(got.Err.Error(), "was cut off after") ||
			got.Asked == 0 || got.Asked > 10_000 || got.Answered != 1 || len(got.Found) != 1 {
			t.Errorf("got %+v, %v", got, err)
		}
		last := told[len(told)-1]
		want := Progress{Subnet: got.Subnet, Asked: got.Asked, Total: 65533, Answered: 1, Found: 1}
		if diff := cmp.Diff(want, last, byValue...); diff != "" {
			t.Error(diff)
		}
	}
}

// What was lost in this machine's own receive buffer is asked for again, and
// told if it stays lost.
func TestLostHere(t *testing.T) {
	t.Parallel()
	l := lan(t)
	l.Wire("10.9.0.1/20").Fill("10.9.0.0/20", "10.9.0.1")
	for _, tt := range []struct {
		buffer int
		all    bool
	}{{64 << 10, true}, {1, false}} {
		var w *wire
		var err error
		l.Do(func() {
			var n *network
			if n, err = look(); err != nil {
				return
			}
			subnet := netip.MustParsePrefix("10.9.0.0/20")
			p, perr := n.path(subnet)
			if err = perr; err != nil {
				return
			}
			ledger := newLedger(nil)
			ledger.targets = append(ledger.targets, newTarget(subnet, p, n.own))
			w = wires(ledger.targets, ledger, newPacer(0))[0]
			w.buffer = tt.buffer
			if err = w.open(); err == nil {
				w.sweep(t.Context())
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		target := w.targets[0]
		if (target.nAnswered == target.total()) != tt.all || (w.note() == "") != tt.all || target.err != nil {
			t.Errorf("with %d bytes: %d of %d answered, note %q, %v", tt.buffer, target.nAnswered, target.total(), w.note(), target.err)
		}
	}
}

// An interface that goes away meanwhile ends the sweep there, with the reason.
func TestInterfaceGone(t *testing.T) {
	t.Parallel()
	l := lan(t)
	l.Wire("10.9.0.1/16")
	var reports []SubnetReport
	var err error
	begun, removed := make(chan struct{}), make(chan struct{})
	var once sync.Once
	go func() {
		defer close(removed)
		<-begun
		l.IP("link del near0")
	}()
	l.Do(func() {
		reports, err = Sweep(t.Context(), Request{Subnets: prefixes("10.9.0.0/16"), Rate: 1000, Progress: func(Progress) {
			once.Do(func() { close(begun) })
		}})
	})
	<-removed
	if err != nil || reports[0].Err == nil || !strings.Contains(reports[0].Err.Error(), "interface near0 failed") || reports[0].Elapsed > 5*time.Second {
		t.Errorf("got %+v, %v", reports, err)
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	l := lan(t)
	l.Wire("10.9.0.1/24")
	w := l.Wire("10.8.0.1/24")
	w.Machine(macB, "10.8.0.5")
	for _, entry := range []string{
		"10.9.0.10 lladdr " + macA.String() + " nud stale",
		"10.9.0.11 lladdr " + macA.String() + " nud reachable",
		"10.9.0.12 lladdr " + macA.String() + " nud permanent",
		"10.9.0.13 lladdr " + macA.String() + " nud delay",
		"10.9.0.14 lladdr " + macA.String() + " nud probe",
		"10.9.0.15 lladdr " + macA.String() + " nud failed",
		"10.9.0.16 lladdr " + macA.String() + " nud incomplete",
		"10.9.0.17 lladdr " + macA.String() + " nud noarp",
		"10.9.0.18 lladdr " + macC.String() + " nud permanent",
	} {
		l.IP("neigh replace " + entry + " dev near0")
	}
	l.IP("neigh add proxy 10.9.0.19 dev near0")
	lookup := func(m pxepilot.MAC) (all []Sighting) {
		t.Helper()
		var err error
		l.Do(func() { all, err = Lookup(m) })
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	got := lookup(macA)
	if len(got) != 5 || got[0].Addr != addr("10.9.0.12") || time.Since(got[0].Seen) > time.Minute {
		t.Errorf("got %v", got)
	}
	var where []netip.Addr
	for i, s := range got {
		where = append(where, s.Addr)
		if i > 0 && s.Seen.After(got[i-1].Seen) {
			t.Errorf("%s comes too late in %v", s, got)
		}
	}
	slices.SortFunc(where, netip.Addr.Compare)
	if diff := cmp.Diff(addrs("10.9.0.10", "10.9.0.11", "10.9.0.12", "10.9.0.13", "10.9.0.14"), where, byValue...); diff != "" {
		t.Error(diff)
	}
	if got := lookup(macB); len(got) > 0 {
		t.Errorf("of one with which nobody spoke: %v", got)
	}
	// Once the kernel spoke with it, it knows when.
	l.Do(func() {
		conn, err := dial(t.Context())
		if err == nil {
			k := &kernel{}
			err = errors.Join(k.knock(t.Context(), conn, addr("10.8.0.5")), conn.Close())
		}
		if err != nil {
			t.Error(err)
		}
	})
	for deadline := time.Now().Add(5 * time.Second); len(lookup(macB)) == 0 && time.Now().Before(deadline); {
		if err := pause(t.Context(), 10*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	if got := lookup(macB); len(got) != 1 || got[0].Addr != addr("10.8.0.5") || time.Since(got[0].Seen) > 10*time.Second {
		t.Errorf("got %v", got)
	}
	// Nothing is an answer of the zero address.
	if got := lookup(pxepilot.MAC{}); len(got) > 0 {
		t.Errorf("got %v", got)
	}
}

// On the machine itself, whatever it is, a look needs no privilege.
func TestLook(t *testing.T) {
	n, err := look()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := n.own[addr("127.0.0.1")]; !ok && os.Getenv("CI") != "" {
		t.Errorf("it does not know itself: %v", n.own)
	}
}
