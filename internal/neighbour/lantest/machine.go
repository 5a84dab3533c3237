package lantest

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
)

// Machine plugs in a machine that has a MAC address and any number of addresses.
func (w *Wire) Machine(mac pxepilot.MAC, addrs ...string) *Machine {
	w.lan.tb.Helper()
	m := &Machine{wire: w, name: fmt.Sprintf("%s.%d", w.Far, w.machines)}
	w.machines++
	w.lan.ip(fmt.Sprintf("-n %[1]s link add link %[2]s name %[3]s address %[4]s type macvlan mode bridge\n-n %[1]s link set %[3]s up",
		w.lan.far(), w.Far, m.name, mac))
	m.Move(addrs...)
	return m
}

// Bridge plugs in a machine that speaks by a bridge, as it would by a bond: its
// MAC address is none of a network card's. Nothing else can be plugged in there.
func (w *Wire) Bridge(mac pxepilot.MAC, addrs ...string) *Machine {
	w.lan.tb.Helper()
	m := &Machine{wire: w, name: w.Far + "br"}
	w.lan.ip(fmt.Sprintf(`-n %[1]s link add %[2]s address %[3]s type bridge
-n %[1]s link set %[4]s master %[2]s
-n %[1]s link set %[2]s up`, w.lan.far(), m.name, mac, w.Far))
	m.Move(addrs...)
	return m
}

// A Machine is one of the far namespace.
type Machine struct {
	wire *Wire
	name string
}

// Dial connects a machine, from one of its addresses.
func (m *Machine) Dial(from, to string) net.Conn {
	m.wire.lan.tb.Helper()
	var conn net.Conn
	var err error
	m.wire.lan.DoFar(func() { conn, err = dial(m.wire.lan.tb, m.name, from, to) })
	if err != nil {
		m.wire.lan.tb.Fatal(err)
	}
	return conn
}

// Send sends an Ethernet frame, whatever is in it.
func (m *Machine) Send(frame []byte) {
	m.wire.lan.tb.Helper()
	var err error
	m.wire.lan.DoFar(func() { err = send(m.name, frame) })
	if err != nil {
		m.wire.lan.tb.Fatal(err)
	}
}

func send(device string, frame []byte) error {
	l, err := net.InterfaceByName(device)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return errors.Join(unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: l.Index, Halen: 6}), unix.Close(fd))
}

// dial connects in the namespace of the calling thread, from an address and by a
// device where those are not empty. The connection is closed at the end of the test.
func dial(tb testing.TB, device, from, to string) (net.Conn, error) {
	d := net.Dialer{Timeout: patience, Control: func(_, _ string, raw syscall.RawConn) error {
		var bound error
		err := raw.Control(func(fd uintptr) { bound = unix.BindToDevice(int(fd), device) })
		return errors.Join(err, bound)
	}}
	d.SetMultipathTCP(false)
	if from != "" {
		local := net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))
		if local.IP.IsLinkLocalUnicast() && local.IP.To4() == nil {
			local.Zone = device
		}
		d.LocalAddr = local
	}
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for begun := time.Now(); ; <-again.C {
		conn, err := d.DialContext(tb.Context(), "tcp", to)
		if err == nil {
			tb.Cleanup(func() { _ = conn.Close() })
			return conn, nil
		}
		// The kernel makes the routes of a new IPv6 address when it has time.
		if !errors.Is(err, unix.EHOSTUNREACH) && !errors.Is(err, unix.ENETUNREACH) || time.Since(begun) > patience {
			return nil, err
		}
	}
}

const patience = 10 * time.Second

// Move gives a machine other addresses, in place of those that it had.
func (m *Machine) Move(addrs ...string) {
	m.wire.lan.tb.Helper()
	script := []string{fmt.Sprintf("-n %s addr flush dev %s", m.wire.lan.far(), m.name)}
	for _, a := range addrs {
		length := "/64 nodad" // it serves at once, without a look whether others have it
		if netip.MustParseAddr(a).Is4() {
			length = "/32"
		}
		a += length
		script = append(script, fmt.Sprintf("-n %s addr add %s dev %s", m.wire.lan.far(), a, m.name))
	}
	m.wire.lan.ip(strings.Join(script, "\n"))
}

// Reach has the machine, and no other one, speak IP with the near end's address,
// which lasts until it moves.
func (m *Machine) Reach(near string) {
	m.wire.lan.tb.Helper()
	m.wire.lan.ip(fmt.Sprintf("-n %s route add %s/32 dev %s", m.wire.lan.far(), near, m.name))
}

// Unplug removes a machine.
func (m *Machine) Unplug() {
	m.wire.lan.tb.Helper()
	m.wire.lan.ip(fmt.Sprintf("-n %s link del %s", m.wire.lan.far(), m.name))
}
