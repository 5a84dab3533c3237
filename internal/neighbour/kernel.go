package neighbour

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
)

// The kernel's neighbour table is not made for sweeps: it holds about a thousand
// entries (net.ipv4.neigh.default.gc_thresh3) for all network namespaces
// together, and an address at which nobody is takes one of them for three
// seconds.
const (
	kernelLargest = 22  // a /22 in one subnet
	kernelRate    = 250 // addresses a second

	// How often the table is read. The kernel may forget what is five seconds
	// old as soon as the table is half full.
	harvestEvery = 500 * time.Millisecond
	// An entry that the kernel no longer trusts is asked again five seconds after
	// it was used, and given up another three later (arp(7), delay_first_probe_time,
	// ucast_solicit).
	longestKernel = 10 * time.Second

	kernelLimits = "asked through the kernel's table, for want of CAP_NET_RAW: slow, and no more than about 1,000 live machines are seen (gc_thresh3)"
)

// askKernel sends a datagram to every address, so that the kernel finds out who
// is there, and reads what it learnt.
func askKernel(ctx context.Context, l *ledger, targets []*target, rate int) {
	if rate == 0 || rate > kernelRate {
		rate = kernelRate
	}
	k := &kernel{ledger: l, pacer: newPacer(rate), began: time.Now()}
	for _, t := range targets {
		t.started = k.began
		if t.subnet.Bits() < kernelLargest {
			l.end([]*target{t}, pxepilot.Errorf(pxepilot.Unavailable,
				"subnet %s is larger than the /%d that can be swept without CAP_NET_RAW; grant it (AmbientCapabilities=CAP_NET_RAW, or "+
					"setcap cap_net_raw+ep on the program), name a smaller subnet, or set ipmi.hostname", t.subnet, kernelLargest))
			continue
		}
		k.targets = append(k.targets, t)
	}
	if len(k.targets) == 0 {
		return
	}
	err := k.run(ctx)
	if k.refused > 0 && err == nil {
		err = pxepilot.Errorf(pxepilot.Unavailable,
			"the kernel's neighbour table was full, and %d addresses were not asked; grant CAP_NET_RAW, or raise net.ipv4.neigh.default.gc_thresh3", k.refused)
	}
	l.end(k.targets, err)
}

// A kernel is one sweep by means of the kernel's table.
type kernel struct {
	ledger    *ledger
	targets   []*target
	pacer     *pacer
	began     time.Time
	harvested time.Time
	refused   int // addresses for which the table had no room
}

func (k *kernel) run(ctx context.Context) error {
	if err := k.send(ctx); err != nil {
		return err
	}
	for end := time.Now().Add(longestKernel); !k.ledger.everythingSeen(); {
		open, err := k.harvest(false)
		if err != nil {
			return err
		}
		if !open || time.Now().After(end) {
			_, err = k.harvest(true)
			return err
		}
		if err := pause(ctx, harvestEvery/2); err != nil {
			return err
		}
	}
	return nil
}

// send sends all datagrams. What waits for an answer counts against the socket
// that it was sent from, so that there is a new one for every few.
func (k *kernel) send(ctx context.Context) error {
	const atOnce = 128
	var conn *net.UDPConn
	defer func() {
		if conn != nil {
			conn.Close()
		}
	}()
	n := 0
	for _, t := range k.targets {
		for i := range t.answered {
			if k.ledger.everythingSeen() {
				return nil
			}
			if !k.ledger.ask(t, i) {
				continue
			}
			if err := k.pacer.wait(ctx); err != nil {
				return err
			}
			if n++; n%atOnce == 1 {
				if conn != nil {
					conn.Close()
				}
				var err error
				if conn, err = dial(ctx); err != nil {
					return err
				}
			}
			if err := k.knock(conn, toAddr(t.first+uint32(i))); err != nil {
				return err
			}
			if time.Since(k.harvested) >= harvestEvery {
				if _, err := k.harvest(false); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func dial(ctx context.Context) (*net.UDPConn, error) {
	pc, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp4", ":0")
	if err != nil {
		return nil, err
	}
	conn := pc.(*net.UDPConn)
	raw, err := conn.SyscallConn()
	if err == nil {
		// Without this option the kernel keeps silent about a full table (ip(7)).
		cerr := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVERR, 1) })
		err = errors.Join(err, cerr)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// knock sends an empty datagram to the discard port (RFC 863). An error that an
// earlier datagram met stands in the way of a later one, once.
func (k *kernel) knock(conn *net.UDPConn, a netip.Addr) error {
	const discard = 9
	var err error
	for range 8 {
		_, err = conn.WriteToUDPAddrPort(nil, netip.AddrPortFrom(a, discard))
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.ENOBUFS):
			k.refused++
			return nil
		case !errors.Is(err, unix.ECONNREFUSED) && !errors.Is(err, unix.EHOSTUNREACH):
			return cannotSend(a, err)
		}
	}
	return cannotSend(a, err)
}

func cannotSend(a netip.Addr, err error) error {
	return pxepilot.Errorf(pxepilot.Unavailable, "cannot send to %s: %v; does a firewall on this machine forbid UDP port 9?", a, err)
}

// harvest notes what the kernel has learnt. open says that it is still asking.
// What it learnt before we asked may be out of date and counts only at last, and
// only for those that were seen nowhere else.
func (k *kernel) harvest(last bool) (open bool, err error) {
	entries, err := neighbours()
	if err != nil {
		return false, err
	}
	k.harvested = time.Now()
	for _, e := range entries {
		switch {
		case e.state&(netlink.NUD_REACHABLE|netlink.NUD_PERMANENT) != 0:
			fresh := e.state&netlink.NUD_PERMANENT != 0 || !e.Seen.Before(k.began.Add(-tick))
			if fresh || last && !k.ledger.isSeen(e.mac) {
				k.ledger.saw(k.targets, toUint(e.Addr), e.mac)
			}
		case e.state&(netlink.NUD_INCOMPLETE|netlink.NUD_DELAY|netlink.NUD_PROBE) != 0:
			open = open || k.asks(e.Addr)
		}
	}
	return open, nil
}

func (k *kernel) asks(a netip.Addr) bool {
	return slices.ContainsFunc(k.targets, func(t *target) bool { return t.subnet.Contains(a) })
}
