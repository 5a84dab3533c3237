package neighbour

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
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

	// Machines that answered stay in the table for half a minute, and cannot be
	// forgotten before. Some room is left for whom else this machine speaks with;
	// the addresses at which nobody is are waited for.
	spareEntries   = 256
	defaultEntries = 1024 // gc_thresh3 where it cannot be read
	longestFull    = 4 * time.Second

	kernelLimits = "asked through the kernel's table, for want of CAP_NET_RAW: slow, and no more than about 1,000 live machines are seen (gc_thresh3)"
)

// askKernel sends a datagram to every address, so that the kernel finds out who
// is there, and reads what it learnt.
func askKernel(ctx context.Context, l *ledger, targets []*target, rate int) {
	if rate == 0 || rate > kernelRate {
		rate = kernelRate
	}
	k := &kernel{ledger: l, pacer: newPacer(rate), began: time.Now(), entries: tableSize()}
	for _, t := range targets {
		t.started = k.began
		if t.subnet.Bits() < kernelLargest {
			l.end([]*target{t}, pxepilot.Errorf(pxepilot.Unavailable,
				"subnet %s is larger than the /%d that can be swept without CAP_NET_RAW; grant it (in a systemd unit: "+
					"AmbientCapabilities=CAP_NET_RAW, and AF_PACKET in RestrictAddressFamilies=), name a smaller subnet, or set ipmi.hostname", t.subnet, kernelLargest))
			continue
		}
		k.targets = append(k.targets, t)
	}
	if len(k.targets) > 0 {
		k.sweep(ctx)
	}
}

// A kernel is one sweep by means of the kernel's table.
type kernel struct {
	ledger    *ledger
	targets   []*target
	pacer     *pacer
	began     time.Time
	entries   int // that the table has room for
	harvested time.Time
}

var errTableFull = errors.New("the kernel's neighbour table is full")

func (k *kernel) sweep(ctx context.Context) {
	sent := k.send(ctx)
	full := errors.Is(sent, errTableFull)
	if sent == nil || full {
		if err := k.settle(ctx); err != nil {
			sent, full = err, false
		}
	}
	for _, t := range k.targets {
		err := sent
		if full && t.nAsked < t.total() {
			err = pxepilot.Errorf(pxepilot.Unavailable,
				"the kernel's neighbour table is full, and the sweep of %s stopped after %d of %d addresses; grant CAP_NET_RAW, "+
					"raise net.ipv4.neigh.default.gc_thresh3 (%d), or name a smaller subnet", t.subnet, t.nAsked, t.total(), k.entries)
		} else if full {
			err = nil
		}
		k.ledger.end([]*target{t}, err)
	}
}

// settle waits until the kernel no longer asks anybody.
func (k *kernel) settle(ctx context.Context) error {
	for end := time.Now().Add(longestKernel); !k.ledger.everythingSeen(); {
		_, open, err := k.harvest(false)
		if err != nil {
			return err
		}
		if !open || time.Now().After(end) {
			_, _, err = k.harvest(true)
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
			if time.Since(k.harvested) >= harvestEvery {
				if err := k.makeRoom(ctx); err != nil {
					return err
				}
			}
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
			if err := k.knock(ctx, conn, toAddr(t.first+uint32(i))); err != nil {
				return err
			}
		}
	}
	return nil
}

// makeRoom reads the table, and waits until there is room for more.
func (k *kernel) makeRoom(ctx context.Context) error {
	for end := time.Now().Add(longestFull); ; {
		used, _, err := k.harvest(false)
		if err != nil || used+spareEntries <= k.entries {
			return err
		}
		if time.Now().After(end) {
			return errTableFull
		}
		if err := pause(ctx, harvestEvery/2); err != nil {
			return err
		}
	}
}

// tableSize is how many entries the kernel's table takes.
func tableSize() int {
	data, err := os.ReadFile("/proc/sys/net/ipv4/neigh/default/gc_thresh3")
	if err == nil {
		if n, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil {
			return n
		}
	}
	return defaultEntries
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
func (k *kernel) knock(ctx context.Context, conn *net.UDPConn, a netip.Addr) error {
	const discard = 9
	refused := 0
	for end := time.Now().Add(longestFull); ; {
		_, err := conn.WriteToUDPAddrPort(nil, netip.AddrPortFrom(a, discard))
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.ENOBUFS): // others filled the table, maybe in other namespaces
			if time.Now().After(end) {
				return errTableFull
			}
			if err := pause(ctx, harvestEvery); err != nil {
				return err
			}
			if _, _, err := k.harvest(false); err != nil {
				return err
			}
		case errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.EHOSTUNREACH):
			if refused++; refused > 8 {
				return cannotSend(a, err)
			}
		default:
			return cannotSend(a, err)
		}
	}
}

func cannotSend(a netip.Addr, err error) error {
	return pxepilot.Errorf(pxepilot.Unavailable, "cannot send to %s: %v; does a firewall on this machine forbid UDP port 9?", a, err)
}

// harvest notes what the kernel has learnt. used counts the entries that it cannot
// forget now, and open says that it is still asking. What it learnt before we
// asked may be out of date and counts only at last, and only for those that were
// seen nowhere else.
func (k *kernel) harvest(last bool) (used int, open bool, err error) {
	entries, err := neighbours()
	if err != nil {
		return 0, false, err
	}
	k.harvested = time.Now()
	for _, e := range entries {
		const asking = netlink.NUD_INCOMPLETE | netlink.NUD_DELAY | netlink.NUD_PROBE
		if e.state&(asking|netlink.NUD_REACHABLE) != 0 {
			used++
		}
		switch {
		case e.state&(netlink.NUD_REACHABLE|netlink.NUD_PERMANENT) != 0:
			fresh := e.state&netlink.NUD_PERMANENT != 0 || !e.Seen.Before(k.began.Add(-tick))
			if fresh || last && !k.ledger.isSeen(e.mac) {
				k.ledger.saw(k.targets, toUint(e.Addr), e.mac)
			}
		case e.state&asking != 0:
			open = open || k.asks(e.Addr)
		}
	}
	return used, open, nil
}

func (k *kernel) asks(a netip.Addr) bool {
	return slices.ContainsFunc(k.targets, func(t *target) bool { return t.subnet.Contains(a) })
}
