package app

import (
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/neighbour"
)

// Who is driven where a BMC was seen by a sweep and the kernel saw something else
// since, or before.
func TestWhereABMCIs(t *testing.T) {
	ours, other := pxepilot.MAC{2, 0, 0, 0, 0, 1}, pxepilot.MAC{2, 0, 0, 0, 0, 9}
	a, b := netip.MustParseAddr("10.77.0.51"), netip.MustParseAddr("10.77.0.52")
	now := time.Now()
	swept := now.Add(-time.Hour)
	type seen = []neighbour.Sighting
	for _, tt := range []struct {
		name   string
		swept  bool
		kernel map[pxepilot.MAC][]neighbour.Sighting
		want   string // an address, or part of an error
	}{
		{"never seen", false, nil, "nobody has seen 02:00:00:00:00:01 yet"},
		{"by the sweep", true, nil, "10.77.0.51"},
		{"by the kernel alone", false, map[pxepilot.MAC][]neighbour.Sighting{ours: seen{{Addr: b, Seen: now}}}, "10.77.0.52"},
		{"at the same address since", true, map[pxepilot.MAC][]neighbour.Sighting{ours: seen{{Addr: a, Seen: now}}}, "10.77.0.51"},
		{"elsewhere since", true, map[pxepilot.MAC][]neighbour.Sighting{ours: seen{{Addr: b, Seen: now}}}, "10.77.0.52"},
		{"elsewhere before", true, map[pxepilot.MAC][]neighbour.Sighting{ours: seen{{Addr: b, Seen: swept.Add(-time.Hour)}}}, "10.77.0.51"},
		{"out of its subnets", true, map[pxepilot.MAC][]neighbour.Sighting{ours: seen{{Addr: netip.MustParseAddr("192.0.2.1"), Seen: now}}}, "10.77.0.51"},
		{"its address is another's by now", true, map[pxepilot.MAC][]neighbour.Sighting{other: seen{{Addr: a, Seen: now}}}, "02:00:00:00:00:09 is at its address 10.77.0.51 by now"},
		{"its address was another's", true, map[pxepilot.MAC][]neighbour.Sighting{other: seen{{Addr: a, Seen: swept.Add(-time.Hour)}}}, "10.77.0.51"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newBMCs(t.TempDir, slog.New(slog.DiscardHandler))
			if tt.swept {
				d.bind(neighbour.Binding{MAC: ours, Addrs: []netip.Addr{a}, Seen: swept})
			}
			d.ask = func() (map[pxepilot.MAC][]neighbour.Sighting, error) { return tt.kernel, nil }
			got, err := d.find(ours, []netip.Prefix{netip.MustParsePrefix("10.77.0.0/24")})(t.Context())
			if err != nil {
				got = err.Error()
			}
			if !strings.HasPrefix(got, tt.want) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// An address that two MACs claimed in one sweep is nobody's.
func TestAContestedAddressIsNotDriven(t *testing.T) {
	ours, other := pxepilot.MAC{2, 0, 0, 0, 0, 1}, pxepilot.MAC{2, 0, 0, 0, 0, 9}
	a := []netip.Addr{netip.MustParseAddr("10.77.0.51")}
	now := time.Now()
	d := newBMCs(t.TempDir, slog.New(slog.DiscardHandler))
	d.bind(neighbour.Binding{MAC: ours, Addrs: a, Seen: now}, neighbour.Binding{MAC: other, Addrs: a, Seen: now})
	if at, err := d.find(ours, nil)(t.Context()); err == nil || !strings.Contains(err.Error(), "claimed by 02:00:00:00:00:01 and by another machine") {
		t.Errorf("%s, %v", at, err)
	}
}
