package neighbour

import (
	"errors"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
)

// A network is what this machine knows of the networks around it, at one moment.
type network struct {
	links  map[int]link // by the interface's index
	routes []route
	own    map[netip.Addr]pxepilot.MAC // every address of ours, with its interface's MAC
}

// A link is an interface. VLANs, bridges and bonds are interfaces like others:
// the kernel tags and spreads what leaves through them.
type link struct {
	index    int
	name     string
	mac      pxepilot.MAC
	unusable string // why nobody can be asked by ARP there; empty when somebody can
	addrs    []netip.Prefix
}

// A route says through which link a prefix is reached.
type route struct {
	prefix  netip.Prefix
	link    int
	gateway netip.Addr // valid: not on-link
	source  netip.Addr // valid: the address to send from
	rank    int        // lower is preferred, as among routes by their metric
}

// byAddress is the rank of what no route says, but an interface's address does:
// it may be routed by a table of its own (VRF, policy routing).
const byAddress = 1 << 32

// look reads the network of the calling thread's network namespace.
func look() (*network, error) {
	links, err := dump(netlink.LinkList)
	if err != nil {
		return nil, unreadable("interfaces", err)
	}
	addrs, err := dump(func() ([]netlink.Addr, error) { return netlink.AddrList(nil, netlink.FAMILY_V4) })
	if err != nil {
		return nil, unreadable("addresses", err)
	}
	routes, err := dump(func() ([]netlink.Route, error) { return netlink.RouteList(nil, netlink.FAMILY_V4) })
	if err != nil {
		return nil, unreadable("routes", err)
	}

	n := &network{links: make(map[int]link), own: make(map[netip.Addr]pxepilot.MAC)}
	for _, l := range links {
		a := l.Attrs()
		known := link{index: a.Index, name: a.Name, unusable: unusable(a)}
		copy(known.mac[:], a.HardwareAddr)
		n.links[a.Index] = known
	}
	for _, a := range addrs {
		n.addAddress(a)
	}
	for _, r := range routes {
		n.addRoute(r)
	}
	return n, nil
}

func (n *network) addAddress(a netlink.Addr) {
	p, ok := toPrefix(a.IPNet)
	l, known := n.links[a.LinkIndex]
	if !ok || !known {
		return
	}
	n.own[p.Addr()] = l.mac
	l.addrs = append(l.addrs, p)
	n.links[l.index] = l
	if p.IsSingleIP() { // ours alone, or with a peer that has a route of its own
		return
	}
	n.routes = append(n.routes, route{prefix: p.Masked(), link: l.index, source: p.Addr(), rank: byAddress})
}

func (n *network) addRoute(r netlink.Route) {
	p, ok := toPrefix(r.Dst)
	switch {
	case !ok || r.Type != unix.RTN_UNICAST || r.Flags&unix.RTNH_F_DEAD != 0:
		return
	case r.Scope != netlink.SCOPE_LINK && r.Gw == nil && len(r.MultiPath) == 0:
		return
	}
	one := route{prefix: p, link: r.LinkIndex, rank: r.Priority}
	if r.Gw != nil {
		one.gateway = toIP(r.Gw)
	}
	if r.Src != nil {
		one.source = toIP(r.Src)
	}
	for _, hop := range r.MultiPath { // the first of several ways is as good as any
		one.link, one.gateway = hop.LinkIndex, toIP(hop.Gw)
		break
	}
	n.routes = append(n.routes, one)
}

// unusable says why ARP cannot ask anybody through an interface, or nothing.
func unusable(a *netlink.LinkAttrs) string {
	switch {
	case a.Flags&net.FlagLoopback != 0:
		return "is this machine itself"
	case a.Flags&net.FlagPointToPoint != 0:
		return "is point-to-point"
	case a.EncapType != "ether" || len(a.HardwareAddr) != len(pxepilot.MAC{}) || a.RawFlags&unix.IFF_NOARP != 0:
		return "has no ARP"
	case a.Flags&net.FlagUp == 0:
		return "is down"
	case a.RawFlags&unix.IFF_RUNNING == 0:
		return "has no carrier"
	}
	return ""
}

// A path is how the machines of a subnet are asked.
type path struct {
	link   link
	source netip.Addr   // to send from; 0.0.0.0 where we have no address (RFC 5227 section 1.1)
	onLink netip.Prefix // what is on-link there; the subnet or more
}

// path finds how a subnet is asked: through the interface that the kernel would
// use for it, so that whoever is found there can be reached there.
func (n *network) path(subnet netip.Prefix) (path, error) {
	var best *route
	var part *route
	for i := range n.routes {
		r := &n.routes[i]
		switch {
		case !r.prefix.Overlaps(subnet):
		case r.prefix.Bits() > subnet.Bits():
			if !r.gateway.IsValid() && n.links[r.link].unusable == "" && part == nil {
				part = r
			}
		case best == nil || n.better(r, best):
			best = r
		}
	}
	fail := func(format string, args ...any) (path, error) {
		return path{}, pxepilot.Errorf(pxepilot.Unavailable, "subnet %s "+format, append([]any{subnet}, args...)...)
	}
	switch {
	case best != nil && !best.gateway.IsValid():
		l := n.links[best.link]
		if l.unusable != "" {
			return fail("is at interface %s, which %s; set ipmi.hostname for its BMCs, or mend the interface", l.name, l.unusable)
		}
		return path{link: l, source: n.source(best, subnet), onLink: best.prefix}, nil
	case part != nil:
		return fail("is on-link in part only (%s at interface %s); name that part, or set ipmi.hostname for its BMCs",
			part.prefix, n.links[part.link].name)
	case best != nil:
		return fail("is not on-link (it is behind the gateway %s, which ARP does not pass); set ipmi.hostname for its BMCs, "+
			"or give this machine an interface in it", best.gateway)
	}
	return fail("is not on-link (no interface is in it); set ipmi.hostname for its BMCs, or give this machine an interface in it")
}

// better says whether a is to be preferred to b, as the kernel does: the longer
// prefix, then the lower metric. An interface that cannot be used comes last.
func (n *network) better(a, b *route) bool {
	if a.prefix.Bits() != b.prefix.Bits() {
		return a.prefix.Bits() > b.prefix.Bits()
	}
	aUsable, bUsable := n.links[a.link].unusable == "", n.links[b.link].unusable == ""
	if aUsable != bUsable {
		return aUsable
	}
	return a.rank < b.rank
}

// source picks the address to send from: what the route says, else that of the
// interface in the same subnet, else any of the interface.
func (n *network) source(r *route, subnet netip.Prefix) netip.Addr {
	if r.source.IsValid() {
		return r.source
	}
	addrs := n.links[r.link].addrs
	if i := slices.IndexFunc(addrs, func(p netip.Prefix) bool { return p.Overlaps(subnet) }); i >= 0 {
		return addrs[i].Addr()
	}
	if len(addrs) > 0 {
		return addrs[0].Addr()
	}
	return netip.IPv4Unspecified()
}

// dump reads a list from the kernel, again when it changed meanwhile.
func dump[T any](read func() ([]T, error)) ([]T, error) {
	for range 4 {
		if all, err := read(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			return all, err
		}
	}
	all, err := read()
	if errors.Is(err, netlink.ErrDumpInterrupted) { // never at rest: most of it is better than none
		err = nil
	}
	return all, err
}

func unreadable(what string, err error) error {
	return pxepilot.Errorf(pxepilot.Unavailable,
		"cannot read the %s of this machine by netlink: %v; is AF_NETLINK forbidden (RestrictAddressFamilies= of systemd)?", what, err)
}

func toIP(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

// toPrefix leaves the host's part as it is.
func toPrefix(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	ones, _ := n.Mask.Size()
	p := netip.PrefixFrom(toIP(n.IP), ones)
	return p, p.IsValid() && p.Addr().Is4()
}
