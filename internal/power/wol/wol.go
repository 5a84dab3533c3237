// Package wol wakes machines over the network. A network card that waits for it
// turns its machine on when it sees a magic packet anywhere in a frame: six
// bytes of 0xFF and its own MAC address sixteen times (AMD, Magic Packet
// Technology, 20213). Nothing answers, and nothing else can be done that way.
package wol

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

const (
	// port is discard, where nobody minds the packets (RFC 863).
	port = 9
	// copies is how often each packet is sent. It may get lost, nobody tells
	// about it, and a machine that is on takes no notice.
	copies = 3
)

// Options say which machine is woken, and which way the packets go.
type Options struct {
	Name string         // the host's, for messages
	MACs []pxepilot.MAC // any of its cards may be the one that listens
	// Broadcast is the IPv4 address that the packets go to over UDP, with a
	// port if it is another one than 9. Unless told it is the broadcast address
	// of Interface, and without that the one of each network that this machine
	// is in, for it need not be the one with the default route.
	Broadcast string
	// Interface sends them as Ethernet frames, where CAP_NET_RAW and the unit
	// allow it, and over UDP otherwise.
	Interface string
}

// A Controller wakes one machine. It is safe for concurrent use.
type Controller struct {
	name      string
	macs      []pxepilot.MAC
	broadcast netip.AddrPort // invalid if not told
	iface     string
}

// New checks the options; it sends nothing.
func New(o Options) (*Controller, error) {
	c := &Controller{name: o.Name, macs: o.MACs, iface: o.Interface}
	if len(o.MACs) == 0 {
		return nil, pxepilot.Errorf(pxepilot.Invalid, "host %s: Wake-on-LAN needs a MAC address", o.Name)
	}
	if o.Broadcast == "" {
		return c, nil
	}
	if addr, err := netip.ParseAddr(o.Broadcast); err == nil {
		c.broadcast = netip.AddrPortFrom(addr, port)
	} else if c.broadcast, err = netip.ParseAddrPort(o.Broadcast); err != nil {
		c.broadcast = netip.AddrPort{}
	}
	if !c.broadcast.Addr().Is4() || c.broadcast.Port() == 0 {
		return nil, pxepilot.Errorf(pxepilot.Invalid, "host %s: wol.broadcast %s is not an IPv4 address (want one such as 10.0.0.255)",
			o.Name, pxepilot.Quote(o.Broadcast))
	}
	return c, nil
}

// State cannot be asked for.
func (c *Controller) State(context.Context) (pxepilot.PowerState, error) {
	return pxepilot.PowerUnknown, c.unsupported("cannot tell whether a machine is on")
}

// Do sends magic packets for ActionOn.
func (c *Controller) Do(ctx context.Context, a pxepilot.PowerAction) error {
	if a != pxepilot.ActionOn {
		return c.unsupported(fmt.Sprintf("can only turn a machine on, not %s", pxepilot.Quote(string(a))))
	}
	if err := ctx.Err(); err != nil {
		return c.fault("nothing was sent, the request was given up", err)
	}
	if err := c.wake(ctx); err != nil {
		return c.fault(err.Error(), err)
	}
	return nil
}

// BootNext cannot be told.
func (c *Controller) BootNext(context.Context, pxepilot.BootDevice, pxepilot.Firmware) error {
	return c.unsupported("can only turn a machine on; set its firmware to boot from the network first")
}

// Close has nothing to close.
func (c *Controller) Close() error { return nil }

func (c *Controller) unsupported(what string) error {
	return c.fault(what, errors.ErrUnsupported)
}

func (c *Controller) fault(what string, cause error) error {
	return pxepilot.Errorf(pxepilot.Conflict, "host %s: Wake-on-LAN: %s", c.name, what).Because(cause)
}

// wake sends the packets the way that the options say.
func (c *Controller) wake(ctx context.Context) error {
	var ifi *net.Interface
	if c.iface != "" {
		var err error
		if ifi, err = findInterface(c.iface); err != nil {
			return err
		}
		err = c.sendFrames(ctx, ifi)
		if err == nil || !notAllowed(err) {
			return err
		}
	}
	switch {
	case c.broadcast.IsValid():
		return c.sendUDP(ctx, []netip.AddrPort{c.broadcast})
	case ifi != nil:
		to, err := broadcasts([]net.Interface{*ifi})
		if err == nil && len(to) == 0 {
			err = fmt.Errorf("interface %s has no IPv4 network to broadcast in, and sending frames needs CAP_NET_RAW and AF_PACKET; grant them or set wol.broadcast",
				pxepilot.Quote(c.iface))
		}
		if err != nil {
			return err
		}
		return c.sendUDP(ctx, to)
	}
	all, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("the interfaces cannot be listed: %w", err)
	}
	to, err := broadcasts(all)
	if err == nil && len(to) == 0 {
		err = errors.New("this machine is in no IPv4 network to broadcast in; set wol.broadcast or wol.interface")
	}
	if err != nil {
		return err
	}
	return c.sendUDP(ctx, to)
}

// sendUDP sends the packets to each address. One that works is enough.
func (c *Controller) sendUDP(ctx context.Context, to []netip.AddrPort) error {
	var lc net.ListenConfig
	conn, err := lc.ListenPacket(ctx, "udp4", ":0") // Go allows broadcasts on every UDP socket
	if err != nil {
		return fmt.Errorf("no UDP socket: %w", err)
	}
	defer conn.Close()
	return c.send(ctx, conn, func(packet []byte) error {
		var failed error
		sent := false
		for _, address := range to {
			if _, err := conn.WriteTo(packet, net.UDPAddrFromAddrPort(address)); err != nil {
				failed = fmt.Errorf("cannot send to %s (%w); set wol.broadcast or wol.interface", address, innermost(err))
			} else {
				sent = true
			}
		}
		if sent {
			return nil
		}
		return failed
	})
}

// send sends copies of each card's packet, within the time that ctx allows.
func (c *Controller) send(ctx context.Context, conn interface{ SetWriteDeadline(time.Time) error }, one func([]byte) error) error {
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetWriteDeadline(deadline); err != nil {
			return err
		}
	}
	for range copies {
		for _, mac := range c.macs {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := one(magic(mac)); err != nil {
				return err
			}
		}
	}
	return nil
}

// magic is the magic packet of a card.
func magic(mac pxepilot.MAC) []byte {
	return append(bytes.Repeat([]byte{0xff}, 6), bytes.Repeat(mac[:], 16)...)
}

func findInterface(name string) (*net.Interface, error) {
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		var names []string
		if all, lerr := net.Interfaces(); lerr == nil {
			for _, each := range all {
				names = append(names, each.Name)
			}
		}
		return nil, fmt.Errorf("there is no interface %s; there are %s", pxepilot.Quote(name), strings.Join(names, ", "))
	}
	if ifi.Flags&net.FlagUp == 0 {
		return nil, fmt.Errorf("interface %s is down", pxepilot.Quote(name))
	}
	return ifi, nil
}

// broadcasts are the broadcast addresses of the networks of interfaces that are
// up and know what that is.
func broadcasts(of []net.Interface) ([]netip.AddrPort, error) {
	var to []netip.AddrPort
	for _, ifi := range of {
		if ifi.Flags&net.FlagUp == 0 || ifi.Flags&net.FlagBroadcast == 0 {
			continue
		}
		addrs, err := ifi.Addrs()
		if err != nil {
			return nil, fmt.Errorf("the addresses of interface %s cannot be read: %w", pxepilot.Quote(ifi.Name), err)
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() && p.Bits() < 31 {
				to = append(to, netip.AddrPortFrom(lastOf(p), port))
			}
		}
	}
	return to, nil
}

// lastOf is the last address of a network, which is that of everybody in it.
func lastOf(p netip.Prefix) netip.Addr {
	a := p.Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		a[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(a)
}

// innermost is the error without the addresses that package net puts in front
// of it.
func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
