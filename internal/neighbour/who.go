package neighbour

import (
	"context"
	"slices"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/pxe-pilot/pxe-pilot"
)

// Who tells the MAC address of the machine at the other end of a connection, and
// nothing of whose that is. It fails with an AnonymousError where nobody can tell.
//
// Two must agree: whose frame opened the connection, and who has its address now,
// by the kernel's neighbour table, or where that is not sure by an answer of the
// machine itself. They may be two of one machine, which bonds do and several cards
// in one subnet; same says so.
//
// The handshake of TCP proves that somebody got the answer that was sent to whom
// the table named then, and nothing else. A machine that takes over the address of
// another, by ARP requests or gratuitous ones (RFC 5227), stands in the table as
// itself: that harms nobody. But one that has the table lead to the other machine
// again, once it has a connection, would be taken for that; and so would one that
// overhears what is sent to a machine that is off, for the kernel takes a TCP that
// goes on for a sign of life of whom the table names. Either opened its connection
// by a frame from its own MAC address. A machine that forges the other's there too
// cannot be told from it, and no answer to any question would: that is what the
// ports of switches are locked against.
func Who(ctx context.Context, c Connection, same func(a, b pxepilot.MAC) bool) (pxepilot.MAC, error) {
	remote := c.Remote.Addr()
	switch {
	case !remote.IsValid():
		return pxepilot.MAC{}, refuse(NoNetwork, byName, "the request did not come over a TCP connection")
	case remote.IsLoopback() || remote.IsUnspecified() || remote.WithZone("") == c.Local.Addr().WithZone(""):
		return pxepilot.MAC{}, itself(remote)
	}
	w, err := wayTo(c)
	if err != nil {
		return pxepilot.MAC{}, err
	}
	if err := w.straight(c.Hops); err != nil {
		return pxepilot.MAC{}, err
	}
	is := func(a, b pxepilot.MAC) bool { return a == b || same(a, b) }
	all, err := w.resolve(ctx, func(mac pxepilot.MAC) bool { return !c.Opener.IsZero() && is(mac, c.Opener) })
	if err != nil {
		return pxepilot.MAC{}, err
	}
	for _, opener := range [...]pxepilot.MAC{c.Opener, c.Entry} {
		if !opener.IsZero() {
			all = append(all, opener)
		}
	}
	mac := all[0]
	if slices.Contains(all, w.link.mac) {
		return pxepilot.MAC{}, itself(remote)
	}
	if i := slices.IndexFunc(all, func(other pxepilot.MAC) bool { return !is(mac, other) }); i > 0 {
		return pxepilot.MAC{}, refuse(Contested, "give each an address of its own, or "+byName, "two machines have the address %s (%s and %s)", remote, mac, all[i])
	}
	return mac, nil
}

// resolve finds out who has the address of the other end. Entries of the kernel's
// table that somebody made by hand (PERMANENT), or a routing daemon (NOARP), count as
// they are, and so do those that were confirmed lately (REACHABLE). One that the
// kernel gave up (FAILED) is refused. For all others the machine is asked.
//
// Where we may not ask, the frame that opened the connection is the answer if it
// agrees with the entry: it is no older than the connection, and came from whom an
// answer would come from.
func (w *way) resolve(ctx context.Context, opened func(pxepilot.MAC) bool) ([]pxepilot.MAC, error) {
	e, err := entryAt(w.link.index, w.remote)
	switch {
	case err != nil:
		return nil, err
	case e.sure():
		return []pxepilot.MAC{e.mac}, nil
	case e.state&netlink.NUD_FAILED != 0:
		return nil, w.silent()
	}
	answers, may, err := w.ask(ctx)
	switch {
	case err != nil:
		return nil, err
	case len(answers) > 0:
		return answers, nil
	case may:
		return nil, w.silent()
	case e.unsure() && opened(e.mac):
		return []pxepilot.MAC{e.mac}, nil
	}
	return w.watch(ctx)
}

// watch has the kernel ask, and looks until it knows better. It asks at once for
// whom it does not know, but for whom it knew after five seconds only, and then
// everybody where that one is silent (delay_first_probe_time of arp(7)). If TCP goes
// on meanwhile it does not ask at all, nor believe who contradicts what it learnt
// within a second (locktime): so that what it says then is as good as the handshake.
func (w *way) watch(ctx context.Context) ([]pxepilot.MAC, error) {
	const (
		nudgeAgain   = time.Second
		shortestLook = time.Millisecond
		longestLook  = 50 * time.Millisecond
	)
	var nudged time.Time
	everybody := false // was asked
	for began, look := time.Now(), shortestLook; time.Since(began) < longestKernel; look = min(2*look, longestLook) {
		e, err := entryAt(w.link.index, w.remote)
		failed := e.state&netlink.NUD_FAILED != 0
		switch {
		case err != nil:
			return nil, err
		case e.sure():
			return []pxepilot.MAC{e.mac}, nil
		case failed && everybody:
			return nil, w.silent()
		}
		if failed || time.Since(nudged) > nudgeAgain {
			nudged, everybody = time.Now(), !e.unsure()
			if err := w.nudge(ctx); err != nil {
				return nil, err
			}
		}
		if err := pause(ctx, look); err != nil {
			return nil, err
		}
	}
	return nil, w.silent()
}

func (w *way) silent() error {
	return refuse(Silent, "try again, or "+byName, "nobody at the interface %s answers for %s", w.link.name, w.remote.WithZone(""))
}

// sure says whether the kernel knows for certain who has an address.
func (e entry) sure() bool {
	return e.state&(netlink.NUD_REACHABLE|netlink.NUD_PERMANENT|netlink.NUD_NOARP) != 0 && isMachine(e.mac)
}

// unsure says whether the kernel knew it once.
func (e entry) unsure() bool {
	return e.state&(netlink.NUD_STALE|netlink.NUD_DELAY|netlink.NUD_PROBE) != 0 && isMachine(e.mac)
}
