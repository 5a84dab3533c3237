package wol_test

import (
	"bytes"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/power/powertest"
	"github.com/pxe-pilot/pxe-pilot/internal/power/wol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var _ powertest.Controller = (*wol.Controller)(nil)

var (
	mac1 = pxepilot.MAC{0, 0, 0, 0, 0, 2}
	mac2 = pxepilot.MAC{0x02, 0x1a, 0x2b, 0x3c, 0x4d, 0x5e}
)

// magicOf is a magic packet as it is written down: by hand.
func magicOf(mac pxepilot.MAC) []byte {
	packet := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	for range 16 {
		packet = append(packet, mac[:]...)
	}
	return packet
}

// A sleeper is a machine whose card listens on a UDP port of this machine.
type sleeper struct {
	conn net.PacketConn

	mu      sync.Mutex
	on      bool
	actions []pxepilot.PowerAction
}

func newSleeper(t *testing.T, deaf bool) *sleeper {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sleeper{conn: conn}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for buf := make([]byte, 2048); ; {
			n, _, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			s.mu.Lock()
			// As a card does: its packet may stand anywhere, and a machine that
			// is on takes no notice.
			if !deaf && !s.on && bytes.Contains(buf[:n], magicOf(mac1)) {
				s.on, s.actions = true, append(s.actions, pxepilot.ActionOn)
			}
			s.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	return s
}

func TestConformance(t *testing.T) {
	powertest.Conformance(t, powertest.Fixture{
		New: func(t *testing.T, b powertest.Behaviour) powertest.Machine {
			s := newSleeper(t, b == powertest.Idle)
			c, err := wol.New(wol.Options{Name: powertest.Host, MACs: []pxepilot.MAC{mac2, mac1}, Broadcast: s.conn.LocalAddr().String()})
			if err != nil {
				t.Fatal(err)
			}
			locked := func(f func()) {
				s.mu.Lock()
				defer s.mu.Unlock()
				f()
			}
			return powertest.Machine{
				Controller: c,
				BMC:        "Wake-on-LAN",
				IsOn:       func() (on bool) { locked(func() { on = s.on }); return },
				Press:      func(on bool) { locked(func() { s.on = on }) },
				Actions:    func() (a []pxepilot.PowerAction) { locked(func() { a = append(a, s.actions...) }); return },
			}
		},
		Actions:    []pxepilot.PowerAction{pxepilot.ActionOn},
		Behaviours: []powertest.Behaviour{powertest.Idle},
	})
}

func TestNew(t *testing.T) {
	for _, tt := range []struct {
		options wol.Options
		want    string // empty where nothing is wrong
	}{
		{wol.Options{MACs: []pxepilot.MAC{mac1}}, ""},
		{wol.Options{MACs: []pxepilot.MAC{mac1}, Broadcast: "10.0.0.255"}, ""},
		{wol.Options{MACs: []pxepilot.MAC{mac1}, Broadcast: "10.0.0.255:7", Interface: "eth0"}, ""},
		{wol.Options{}, "needs a MAC address"},
		{wol.Options{MACs: []pxepilot.MAC{mac1}, Broadcast: "10.0.0.0/24"}, `wol.broadcast "10.0.0.0/24" is not an IPv4 address`},
		{wol.Options{MACs: []pxepilot.MAC{mac1}, Broadcast: "10.0.0.255:0"}, "is not an IPv4 address"},
		{wol.Options{MACs: []pxepilot.MAC{mac1}, Broadcast: "ff02::1"}, "is not an IPv4 address"},
		{wol.Options{MACs: []pxepilot.MAC{mac1}, Broadcast: "everybody"}, "is not an IPv4 address"},
	} {
		tt.options.Name = "h2"
		_, err := wol.New(tt.options)
		if tt.want == "" && err == nil {
			continue
		}
		if err == nil || pxepilot.ErrorCode(err) != pxepilot.Invalid || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "host h2: ") {
			t.Errorf("%+v: %v; want %q", tt.options, err, tt.want)
		}
	}
}

// What it cannot do it says, and why not.
func TestOnOnly(t *testing.T) {
	c, err := wol.New(wol.Options{Name: "h2", MACs: []pxepilot.MAC{mac1}})
	if err != nil {
		t.Fatal(err)
	}
	_, state := c.State(t.Context())
	for err, want := range map[error]string{
		state:                                 "host h2: Wake-on-LAN: cannot tell whether a machine is on",
		c.Do(t.Context(), pxepilot.ActionOff): `host h2: Wake-on-LAN: can only turn a machine on, not "off"`,
		c.BootNext(t.Context(), pxepilot.BootPXE, ""): "host h2: Wake-on-LAN: can only turn a machine on; set its firmware to boot from the network first",
	} {
		if err == nil || err.Error() != want || !errors.Is(err, errors.ErrUnsupported) || pxepilot.ErrorCode(err) != pxepilot.Conflict {
			t.Errorf("%v; want %q", err, want)
		}
	}
}

func TestNoSuchInterface(t *testing.T) {
	c, err := wol.New(wol.Options{Name: "h2", MACs: []pxepilot.MAC{mac1}, Interface: "nowhere0"})
	if err != nil {
		t.Fatal(err)
	}
	err = c.Do(t.Context(), pxepilot.ActionOn)
	if err == nil || !strings.Contains(err.Error(), `there is no interface "nowhere0"; there are lo`) {
		t.Error(err)
	}
}
