package wol_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/power/wol"
	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// onWire runs f in a network namespace of its own, which has two cables: va to
// vb and wa to wb, and is gone afterwards together with its thread. f tells what
// went wrong by its error, for it does not run in the test's goroutine.
func onWire(t *testing.T, commands string, f func() error) {
	t.Helper()
	testenv.NeedRoot(t)
	testenv.Need(t, "ip")
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		done <- func() error {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return err
			}
			for command := range strings.Lines("link add va type veth peer name vb\nlink add wa type veth peer name wb\n" + commands) {
				if command = strings.TrimSpace(command); command == "" {
					continue
				}
				out, err := exec.CommandContext(t.Context(), "ip", strings.Fields(command)...).CombinedOutput()
				if err != nil {
					return fmt.Errorf("ip %s: %w: %s", command, err, out)
				}
			}
			if err := ready(); err != nil {
				return err
			}
			return f()
		}()
	}()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// ready waits until every cable that was brought up carries frames. Until then
// the kernel drops them.
func ready() error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(5 * time.Second); ; <-tick.C {
		all, err := net.Interfaces()
		if err != nil {
			return err
		}
		dead := slices.ContainsFunc(all, func(i net.Interface) bool {
			return i.Flags&net.FlagUp != 0 && i.Flags&net.FlagRunning == 0
		})
		if !dead {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("interfaces do not come up: %+v", all)
		}
	}
}

// up brings one cable up, with an address at our end.
func up(a, b, address string) string {
	return fmt.Sprintf("link set %s up\nlink set %s up\naddr add %s dev %s\n", a, b, address, a)
}

// A frame is what was seen on a wire.
type frame struct {
	To        string // MAC address
	EtherType uint16
	Dst       string // IPv4 address and port
	Payload   string // hexadecimal
}

// watch listens at the far end of a cable for frames of one EtherType.
func watch(iface string, etherType int) (read func(n int) ([]frame, error), stop func(), err error) {
	ifi, err := net.InterfaceByName(iface)
	if err != nil {
		return nil, nil, err
	}
	conn, err := packet.Listen(ifi, packet.Raw, etherType, nil)
	if err != nil {
		return nil, nil, err
	}
	read = func(n int) (frames []frame, err error) {
		// What is sent is here before the call that sent it ends.
		if err := conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
			return nil, err
		}
		for buf := make([]byte, 4096); len(frames) <= n; {
			size, _, err := conn.ReadFrom(buf)
			if err != nil {
				if len(frames) == n {
					return frames, nil
				}
				return frames, fmt.Errorf("%d of %d frames on %s: %w", len(frames), n, iface, err)
			}
			frames = append(frames, parse(buf[:size]))
		}
		return frames, fmt.Errorf("more than %d frames on %s", n, iface)
	}
	return read, func() { conn.Close() }, nil
}

func parse(b []byte) frame {
	f := frame{To: net.HardwareAddr(b[:6]).String(), EtherType: binary.BigEndian.Uint16(b[12:])}
	payload := b[14:]
	if f.EtherType == unix.ETH_P_IP {
		header := int(payload[0]&0xf) * 4
		f.Dst = fmt.Sprintf("%s:%d", net.IP(payload[16:20]), binary.BigEndian.Uint16(payload[header+2:]))
		payload = payload[header+8:]
	}
	f.Payload = fmt.Sprintf("%x", payload)
	return f
}

const everybody = "ff:ff:ff:ff:ff:ff"

// wakes wants the packets of both cards, three times each, at the far end.
func wakes(t *testing.T, o wol.Options, etherType int, far, dst string) error {
	t.Helper()
	read, stop, err := watch(far, etherType)
	if err != nil {
		return err
	}
	defer stop()
	o.Name, o.MACs = "h2", []pxepilot.MAC{mac1, mac2}
	c, err := wol.New(o)
	if err != nil {
		return err
	}
	if err := c.Do(t.Context(), pxepilot.ActionOn); err != nil {
		return err
	}
	got, err := read(6)
	var want []frame
	for range 3 {
		for _, m := range o.MACs {
			want = append(want, frame{everybody, uint16(etherType), dst, fmt.Sprintf("%x", magicOf(m))})
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("%s (-want +got)\n%s, %w", far, diff, err)
	}
	return err
}

func TestFramesOnTheWire(t *testing.T) {
	onWire(t, "link set va up\nlink set vb up\n", func() error {
		return wakes(t, wol.Options{Interface: "va"}, 0x0842, "vb", "")
	})
}

// Without CAP_NET_RAW, or in a unit without AF_PACKET, the same goes over UDP.
func TestWithoutRawSockets(t *testing.T) {
	t.Run("no CAP_NET_RAW", func(t *testing.T) { fallsBack(t, dropNetRaw) })
	t.Run("no AF_PACKET", func(t *testing.T) { fallsBack(t, forbidPacketSockets) })
}

func fallsBack(t *testing.T, forbid func() error) {
	t.Helper()
	onWire(t, up("va", "vb", "10.77.1.1/20")+up("wa", "wb", "10.88.0.1/24"), func() error {
		// The listener needs what the driver then lacks.
		read, stop, err := watch("vb", unix.ETH_P_IP)
		if err != nil {
			return err
		}
		defer stop()
		if err := forbid(); err != nil {
			return err
		}
		for _, tt := range []struct{ broadcast, dst string }{{"", "10.77.15.255:9"}, {"10.77.15.255:7", "10.77.15.255:7"}} {
			c, err := wol.New(wol.Options{Name: "h2", MACs: []pxepilot.MAC{mac1}, Interface: "va", Broadcast: tt.broadcast})
			if err != nil {
				return err
			}
			if err := c.Do(t.Context(), pxepilot.ActionOn); err != nil {
				return err
			}
			want := frame{everybody, unix.ETH_P_IP, tt.dst, fmt.Sprintf("%x", magicOf(mac1))}
			got, err := read(3)
			if diff := cmp.Diff([]frame{want, want, want}, got); diff != "" {
				return fmt.Errorf("(-want +got)\n%s, %w", diff, err)
			}
		}
		// Where there is no network on the interface either, that is said.
		c, err := wol.New(wol.Options{Name: "h2", MACs: []pxepilot.MAC{mac1}, Interface: "vb"})
		if err != nil {
			return err
		}
		err = c.Do(t.Context(), pxepilot.ActionOn)
		if err == nil || !strings.Contains(err.Error(), `interface "vb" has no IPv4 network to broadcast in, and sending frames needs CAP_NET_RAW and AF_PACKET; grant them or set wol.broadcast`) {
			return fmt.Errorf("got %w", err)
		}
		return nil
	})
}

// dropNetRaw takes CAP_NET_RAW from this thread.
func dropNetRaw() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	data[0].Effective &^= 1 << unix.CAP_NET_RAW
	return unix.Capset(&header, &data[0])
}

// forbidPacketSockets does to this thread what RestrictAddressFamilies= of systemd
// does to a service: socket(2) answers EAFNOSUPPORT for AF_PACKET.
func forbidPacketSockets() error {
	const number, family = 0, 16 // in struct seccomp_data: nr, and the low half of args[0]
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	unless := func(k uint32, skip uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: skip, K: k}
	}
	answer := func(k uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k} }
	filter := []unix.SockFilter{
		load(number), unless(unix.SYS_SOCKET, 3),
		load(family), unless(unix.AF_PACKET, 1),
		answer(unix.SECCOMP_RET_ERRNO | uint32(unix.EAFNOSUPPORT)),
		answer(unix.SECCOMP_RET_ALLOW),
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
}

func TestBroadcastOnTheWire(t *testing.T) {
	onWire(t, up("va", "vb", "10.77.1.1/24"), func() error {
		return wakes(t, wol.Options{Broadcast: "10.77.1.255"}, unix.ETH_P_IP, "vb", "10.77.1.255:9")
	})
}

// Told nothing, it wakes in every network that it is in, whichever has the
// default route.
func TestEveryNetwork(t *testing.T) {
	commands := "link set lo up\n" + up("va", "vb", "10.77.1.1/24") + up("wa", "wb", "192.168.5.1/30") + "route add default via 10.77.1.254\n"
	onWire(t, commands, func() error {
		read, stop, err := watch("wb", unix.ETH_P_IP)
		if err != nil {
			return err
		}
		defer stop()
		if err := wakes(t, wol.Options{}, unix.ETH_P_IP, "vb", "10.77.1.255:9"); err != nil {
			return err
		}
		frames, err := read(6)
		for _, f := range frames {
			if f.Dst != "192.168.5.3:9" || f.To != everybody {
				return fmt.Errorf("%+v, %w", f, err)
			}
		}
		return err
	})
}

func TestNowhereToSend(t *testing.T) {
	for _, tt := range []struct {
		commands string
		options  wol.Options
		want     string
	}{
		{"link set lo up\n", wol.Options{}, "this machine is in no IPv4 network to broadcast in; set wol.broadcast or wol.interface"},
		{"link set lo up\n", wol.Options{Broadcast: "10.9.9.255"}, "cannot send to 10.9.9.255:9 (network is unreachable); set wol.broadcast or wol.interface"},
		{"", wol.Options{Interface: "va"}, `interface "va" is down`},
		{"link set lo up\n", wol.Options{Interface: "eth7"}, `there is no interface "eth7"; there are`},
		{"link set lo up\n", wol.Options{Interface: "lo"}, `interface "lo" is not an Ethernet one; set wol.broadcast instead`},
	} {
		onWire(t, tt.commands, func() error {
			tt.options.Name, tt.options.MACs = "h2", []pxepilot.MAC{mac1}
			c, err := wol.New(tt.options)
			if err != nil {
				return err
			}
			err = c.Do(t.Context(), pxepilot.ActionOn)
			if err == nil || !strings.Contains(err.Error(), tt.want) || pxepilot.ErrorCode(err) != pxepilot.Conflict ||
				!strings.HasPrefix(err.Error(), "host h2: Wake-on-LAN: ") {
				return fmt.Errorf("%+v: %w; want %q", tt.options, err, tt.want)
			}
			return nil
		})
	}
}
