package pilot

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pxe-pilot/pxe-pilot"
)

// A fakeDiscoverer answers what a test sets, once go is closed.
type fakeDiscoverer struct {
	subnets []pxepilot.SubnetSweep
	fails   error
	tells   []pxepilot.SweepProgress
	wait    chan struct{}
	inv     *pxepilot.Inventory
	rate    int
}

func (d *fakeDiscoverer) Discover(ctx context.Context, inv *pxepilot.Inventory, rate int, tell func(pxepilot.SweepProgress)) ([]pxepilot.SubnetSweep, error) {
	d.inv, d.rate = inv, rate
	for _, t := range d.tells {
		tell(t)
	}
	if d.wait != nil {
		select {
		case <-d.wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return d.subnets, d.fails
}

func newDiscovering(t *testing.T, d Discoverer) (*Pilot, *Site) {
	t.Helper()
	mac := pxepilot.MAC{5: 0xa1}
	inv, err := pxepilot.NewInventory([]*pxepilot.Host{
		{Name: "b", MACs: []pxepilot.MAC{{5: 1}}, IPMI: &pxepilot.IPMI{MAC: mac}},
		{Name: "a", MACs: []pxepilot.MAC{{5: 2}}, Management: &pxepilot.Management{MAC: mac}},
		{Name: "c", MACs: []pxepilot.MAC{{5: 3}}, IPMI: &pxepilot.IPMI{Hostname: "bmc-c"}},
		{Name: "d", MACs: []pxepilot.MAC{{5: 4}}, Management: &pxepilot.Management{Address: "10.0.0.4"}},
		{Name: "e", MACs: []pxepilot.MAC{{5: 5}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	site := &Site{Inventory: inv}
	return New(func() *Site { return site }, nil, Options{Discoverer: d}), site
}

func TestDiscover(t *testing.T) {
	swept := []pxepilot.SubnetSweep{{Subnet: netip.MustParsePrefix("10.0.0.0/24"), Method: "arp", Asked: 254}}
	last := pxepilot.SweepProgress{Asked: 254, Of: 254, Found: 1, Wanted: 2}
	d := &fakeDiscoverer{subnets: swept, tells: []pxepilot.SweepProgress{{Asked: 1, Of: 254}, last}}
	p, site := newDiscovering(t, d)
	got, err := p.Discover(t.Context(), 500)
	want := &Discovery{Subnets: swept, Hosts: map[pxepilot.MAC][]string{{5: 0xa1}: {"b", "a"}}}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmpopts.EquateEmpty()); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if d.inv != site.Inventory || d.rate != 500 || got.Err() != nil {
		t.Errorf("asked for %v at %d: %v", d.inv, d.rate, got.Err())
	}
	if at, running := p.Sweeping(); at != last || running {
		t.Errorf("%+v, running %t", at, running)
	}
}

func TestOneSweepAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDiscoverer{wait: make(chan struct{}), tells: []pxepilot.SweepProgress{{Asked: 10, Of: 254, Wanted: 1}}}
		p, _ := newDiscovering(t, d)
		if at, running := p.Sweeping(); at != (pxepilot.SweepProgress{}) || running {
			t.Errorf("%+v, running %t, before any", at, running)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		sweep := func(ctx context.Context) { _, err := p.Discover(ctx, 0); ended <- err }
		go sweep(ctx)
		synctest.Wait()
		if at, running := p.Sweeping(); at != d.tells[0] || !running {
			t.Errorf("%+v, running %t", at, running)
		}
		const busy = "the subnets are being swept already, with 10 of 254 addresses asked; wait until that is done"
		if _, err := p.Discover(t.Context(), 0); pxepilot.ErrorMessage(err) != busy || pxepilot.ErrorCode(err) != pxepilot.Conflict {
			t.Errorf("%v", err)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("given up: %v", err)
		}
		go sweep(t.Context())
		close(d.wait)
		if err := <-ended; err != nil {
			t.Errorf("the next one: %v", err)
		}
	})
}

func TestDiscoverRefuses(t *testing.T) {
	internal := errors.New("0xdeadbeef")
	for _, tt := range []struct {
		name  string
		d     Discoverer
		rate  int
		code  pxepilot.Code
		wants string
	}{
		{"nobody looks", nil, 0, pxepilot.Conflict, "this server looks for no BMCs; name them by ipmi.hostname in the configuration file"},
		{"negative", &fakeDiscoverer{}, -1, pxepilot.Invalid, "the rate is -1 packets a second; want 1 to 1000000"},
		{"too fast", &fakeDiscoverer{}, 1_000_001, pxepilot.Invalid, "the rate is 1000001 packets a second; want 1 to 1000000"},
		{"the file asks for too much", &fakeDiscoverer{fails: pxepilot.Errorf(pxepilot.Invalid, "too many")}, 1, pxepilot.Conflict, "too many"},
		{"internal", &fakeDiscoverer{fails: internal}, 1_000_000, pxepilot.Internal, pxepilot.ErrorMessage(internal)},
	} {
		p, _ := newDiscovering(t, tt.d)
		got, err := p.Discover(t.Context(), tt.rate)
		if got != nil || pxepilot.ErrorCode(err) != tt.code || pxepilot.ErrorMessage(err) != tt.wants {
			t.Errorf("%s: %v, %v", tt.name, got, err)
		}
		if _, running := p.Sweeping(); running {
			t.Errorf("%s: it is still running", tt.name)
		}
	}
}

func TestDiscoveryErr(t *testing.T) {
	var d Discovery
	for i, problem := range []string{"p1; do d1", "", "p2", "p3", "p4", "", "p5"} {
		d.Subnets = append(d.Subnets, pxepilot.SubnetSweep{Subnet: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i), 0}), 24), Problem: problem})
	}
	const want = "10.0.0.0/24: p1; do d1; 10.0.2.0/24: p2; 10.0.3.0/24: p3; nor were 10.0.4.0/24, 10.0.6.0/24 swept"
	if err := d.Err(); pxepilot.ErrorMessage(err) != want || pxepilot.ErrorCode(err) != pxepilot.Conflict {
		t.Errorf("%v", err)
	}
	d.Subnets = []pxepilot.SubnetSweep{{Subnet: netip.MustParsePrefix("10.0.0.0/24"), Problem: "subnet 10.0.0.0/24 is not on-link"}}
	if err := d.Err(); pxepilot.ErrorMessage(err) != d.Subnets[0].Problem {
		t.Errorf("the subnet is not named once: %v", err)
	}
	d.Subnets[0].Problem = ""
	if err := d.Err(); err != nil {
		t.Errorf("%v", err)
	}
}

func TestSweepThatJustBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDiscoverer{wait: make(chan struct{})}
		p, _ := newDiscovering(t, d)
		go func() { _, _ = p.Discover(t.Context(), 0) }()
		synctest.Wait()
		const busy = "the subnets are being swept already, since a moment ago; wait until that is done"
		if _, err := p.Discover(t.Context(), 0); pxepilot.ErrorMessage(err) != busy || pxepilot.ErrorCode(err) != pxepilot.Conflict {
			t.Errorf("%v", err)
		}
		close(d.wait)
	})
}
