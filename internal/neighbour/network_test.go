package neighbour

import (
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
)

// A site of routes such as "10.0.0.0/24 eth0 src 10.0.0.1 metric 5".
func TestPath(t *testing.T) {
	prefixes := func(all ...string) (list []netip.Prefix) {
		for _, s := range all {
			list = append(list, netip.MustParsePrefix(s))
		}
		return list
	}
	const (
		eth0 = iota + 1
		eth1
		vlan7
		wg0
		gone
		bare
	)
	links := map[int]link{
		eth0:  {index: eth0, name: "eth0", addrs: prefixes("10.0.0.1/24", "172.16.0.1/12")},
		eth1:  {index: eth1, name: "eth1", addrs: prefixes("10.0.1.1/24")},
		vlan7: {index: vlan7, name: "eth0.7", addrs: prefixes("10.7.0.1/16")},
		wg0:   {index: wg0, name: "wg0", unusable: "is point-to-point", addrs: prefixes("10.8.0.1/24")},
		gone:  {index: gone, name: "gone", unusable: "is down", addrs: prefixes("10.9.0.1/24")},
		bare:  {index: bare, name: "bare"},
	}
	on := func(prefix string, link int, source string, rank int) route {
		r := route{prefix: netip.MustParsePrefix(prefix), link: link, rank: rank}
		if source != "" {
			r.source = netip.MustParseAddr(source)
		}
		return r
	}
	via := func(prefix string, link int, gateway string) route {
		return route{prefix: netip.MustParsePrefix(prefix), link: link, gateway: netip.MustParseAddr(gateway)}
	}
	n := &network{links: links, routes: []route{
		via("0.0.0.0/0", eth0, "10.0.0.254"),
		on("10.0.0.0/24", eth0, "10.0.0.1", 0),
		on("10.0.1.0/24", eth1, "10.0.1.1", 100),
		on("10.0.1.0/24", eth0, "", 600), // a worse way
		on("10.7.0.0/16", vlan7, "10.7.0.1", byAddress),
		via("10.7.9.0/24", eth0, "10.0.0.253"),
		on("10.8.0.0/24", wg0, "10.8.0.1", 0),
		on("10.9.0.0/24", gone, "10.9.0.1", 0),
		on("10.9.1.0/24", gone, "10.9.1.1", 0),
		on("10.9.1.0/24", eth1, "", 999), // not preferred, but up
		on("10.50.0.0/16", eth0, "", 0),  // by a route with link scope
		on("10.60.0.0/16", bare, "", 0),
		on("172.16.0.0/12", eth0, "", 0),
		on("192.0.2.7/32", eth1, "", 0),
	}}
	for _, tt := range []struct{ subnet, link, source, err string }{
		{"10.0.0.0/24", "eth0", "10.0.0.1", ""},
		{"10.0.0.64/26", "eth0", "10.0.0.1", ""},
		{"10.0.0.5/32", "eth0", "10.0.0.1", ""},
		{"10.0.1.0/24", "eth1", "10.0.1.1", ""},
		{"10.7.0.0/20", "eth0.7", "10.7.0.1", ""},
		{"10.9.1.0/24", "eth1", "10.0.1.1", ""},
		{"10.50.3.0/24", "eth0", "10.0.0.1", ""},
		{"10.60.0.0/24", "bare", "0.0.0.0", ""},
		{"172.20.0.0/16", "eth0", "172.16.0.1", ""},
		{"192.0.2.7/32", "eth1", "10.0.1.1", ""},
		{"10.7.9.0/24", "", "", "behind the gateway 10.0.0.253"},
		{"10.99.0.0/24", "", "", "behind the gateway 10.0.0.254"},
		{"10.0.0.0/23", "", "", "on-link in part only (10.0.0.0/24 at interface eth0)"},
		{"10.8.0.0/24", "", "", "wg0, which is point-to-point"},
		{"10.9.0.0/24", "", "", "gone, which is down"},
	} {
		p, err := n.path(netip.MustParsePrefix(tt.subnet))
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) || !strings.Contains(err.Error(), "subnet "+tt.subnet) ||
				!strings.Contains(err.Error(), "ipmi.hostname") || pxepilot.ErrorCode(err) != pxepilot.Unavailable {
				t.Errorf("%s: got error %v, want one with %q", tt.subnet, err, tt.err)
			}
			continue
		}
		if err != nil || p.link.name != tt.link || p.source.String() != tt.source {
			t.Errorf("%s: got %s from %s, %v; want %s from %s", tt.subnet, p.link.name, p.source, err, tt.link, tt.source)
		}
	}

	_, err := (&network{}).path(netip.MustParsePrefix("10.0.0.0/24"))
	if err == nil || !strings.Contains(err.Error(), "no interface is in it") {
		t.Errorf("without any network: got %v", err)
	}
}

func TestUnusable(t *testing.T) {
	ether := netlink.LinkAttrs{EncapType: "ether", HardwareAddr: make(net.HardwareAddr, 6), Flags: net.FlagUp, RawFlags: unix.IFF_RUNNING}
	with := func(change func(*netlink.LinkAttrs)) *netlink.LinkAttrs {
		a := ether
		change(&a)
		return &a
	}
	for want, a := range map[string]*netlink.LinkAttrs{
		"":                       &ether,
		"is down":                with(func(a *netlink.LinkAttrs) { a.Flags = 0 }),
		"has no carrier":         with(func(a *netlink.LinkAttrs) { a.RawFlags = 0 }),
		"is point-to-point":      with(func(a *netlink.LinkAttrs) { a.Flags |= net.FlagPointToPoint }),
		"is this machine itself": with(func(a *netlink.LinkAttrs) { a.Flags |= net.FlagLoopback }),
		"has no ARP":             with(func(a *netlink.LinkAttrs) { a.RawFlags |= unix.IFF_NOARP }),
	} {
		if got := unusable(a); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := unusable(with(func(a *netlink.LinkAttrs) { a.EncapType, a.HardwareAddr = "infiniband", make(net.HardwareAddr, 20) })); got != "has no ARP" {
		t.Errorf("of InfiniBand: got %q", got)
	}
}

// A table of the kernel that never comes to rest is read as far as it goes.
func TestDump(t *testing.T) {
	for _, tt := range []struct {
		interrupted, wantCalls int
	}{{0, 1}, {2, 3}, {99, 5}} {
		calls := 0
		all, err := dump(func() ([]int, error) {
			if calls++; calls <= tt.interrupted {
				return []int{calls}, netlink.ErrDumpInterrupted
			}
			return []int{calls}, nil
		})
		if err != nil || calls != tt.wantCalls || len(all) != 1 || all[0] != tt.wantCalls {
			t.Errorf("interrupted %d times: got %v, %v after %d calls", tt.interrupted, all, err, calls)
		}
	}
	if _, err := dump(func() ([]int, error) { return nil, unix.EPERM }); err == nil {
		t.Error("an error got lost")
	}
}

func TestForbidden(t *testing.T) {
	for err, want := range map[error]bool{
		unix.EPERM:        true,
		unix.EACCES:       true,
		unix.EAFNOSUPPORT: true,
		unix.ENODEV:       false,
	} {
		wrapped := &net.OpError{Op: "listen", Err: os.NewSyscallError("socket", err)}
		if got := forbidden(wrapped); got != want {
			t.Errorf("%v: got %t, want %t", err, got, want)
		}
	}
}
