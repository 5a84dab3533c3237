package bench

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/power"
	"github.com/pxe-pilot/pxe-pilot/internal/power/fakebmc"
	"github.com/pxe-pilot/pxe-pilot/internal/power/ipmi"
	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// Who may ask the BMCs. All their machines are off.
const (
	bmcUser     = "bench"
	bmcPassword = "bench-it"
)

// perSim is how many BMCs one process of ipmi_sim holds.
const perSim = 100

// startSims starts BMCs that others wrote: OpenIPMI's ipmi_sim. They listen where
// BMCs do, each on an address of its own, for that is what ipmipower wants.
func startSims(b *testing.B, n int) []netip.AddrPort {
	b.Helper()
	testenv.NeedRoot(b) // for port 623
	testenv.Need(b, "ipmi_sim")
	at := make([]netip.AddrPort, n)
	for i := range at {
		at[i] = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 3, byte(i / perSim), byte(1 + i%perSim)}), ipmi.Port)
	}
	for first := 0; first < n; first += perSim {
		startSim(b, at[first:min(first+perSim, n)])
	}
	f := newFleet(b, at, 0)
	defer f.Close()
	end := time.Now().Add(20 * time.Second)
	for _, h := range f.hosts {
		for _, err := f.State(b.Context(), h); err != nil; _, err = f.State(b.Context(), h) {
			if time.Now().After(end) {
				b.Fatalf("ipmi_sim does not answer: %v", err)
			}
		}
	}
	return at
}

// startSim starts one process that holds the BMCs of all the addresses.
func startSim(b *testing.B, at []netip.AddrPort) {
	b.Helper()
	dir := b.TempDir()
	var lan, emu bytes.Buffer
	fmt.Fprintf(&lan, "name \"bench\"\n")
	fmt.Fprintf(&emu, "mc_setbmc 0x20\n")
	for i, a := range at {
		mc := 0x20 + 2*i
		// The serial line is where ipmi_sim would find the machine; without one it
		// refuses to tell the power.
		fmt.Fprintf(&lan, `set_working_mc %#x
  startlan 1
    addr %s %d
    priv_limit admin
    allowed_auths_callback none md2 md5 straight
    allowed_auths_user none md2 md5 straight
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid a123456789abcdefa123456789%06x
  endlan
  serial 15 %[2]s 9002 codec VM
  user 1 true "" "nobody" user 10 none md2 md5 straight
  user 2 true "%[5]s" "%[6]s" admin 10 none md2 md5 straight
`, mc, a.Addr(), a.Port(), i, bmcUser, bmcPassword)
		fmt.Fprintf(&emu, "mc_add %#x 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\nmc_enable %#[1]x\n", mc)
	}
	check(b, os.WriteFile(filepath.Join(dir, "lan.conf"), lan.Bytes(), 0o600))
	check(b, os.WriteFile(filepath.Join(dir, "sim.emu"), emu.Bytes(), 0o600))
	check(b, os.Mkdir(filepath.Join(dir, "state"), 0o700))
	sim := exec.Command("ipmi_sim", "-c", filepath.Join(dir, "lan.conf"), "-f", filepath.Join(dir, "sim.emu"), "-s", filepath.Join(dir, "state"), "-n")
	check(b, sim.Start())
	b.Cleanup(func() {
		_ = sim.Process.Kill()
		_ = sim.Wait()
	})
}

// startFakes starts BMCs in this process; which says of each whether it is
// silent.
func startFakes(b *testing.B, n int, silent func(i int) bool) []netip.AddrPort {
	b.Helper()
	at := make([]netip.AddrPort, n)
	for i := range at {
		f, err := fakebmc.StartIPMI("127.0.0.1:0", fakebmc.Account{User: bmcUser, Password: pxepilot.NewSecret(bmcPassword)}, &fakebmc.Machine{})
		check(b, err)
		b.Cleanup(func() { _ = f.Close() })
		f.SetSilent(silent(i))
		at[i] = f.Addr()
	}
	return at
}

func never(int) bool { return false }

// tenth are those that are silent where some are.
func tenth(i int) bool { return i%10 == 3 }

// A fleet is hosts whose BMCs are asked as the server does it.
type fleet struct {
	*power.Fleet
	b     *testing.B
	hosts []*pxepilot.Host
}

// newFleet makes a fleet whose sessions are kept for idle; zero opens one for
// each question.
func newFleet(b *testing.B, at []netip.AddrPort, idle time.Duration) *fleet {
	b.Helper()
	f := &fleet{b: b}
	for i, a := range at {
		f.hosts = append(f.hosts, &pxepilot.Host{
			Name: fmt.Sprintf("h%d", i),
			MACs: []pxepilot.MAC{{2, 0, 0, 0, byte(i >> 8), byte(i)}},
			IPMI: &pxepilot.IPMI{Hostname: a.Addr().String(), Port: int(a.Port())},
		})
	}
	inv, err := pxepilot.NewInventory(f.hosts)
	check(b, err)
	f.Fleet = power.NewFleet(power.Options{
		Make: func(h *pxepilot.Host) (power.Controller, error) {
			return ipmi.New(ipmi.Options{
				Name:        h.Name,
				Address:     func(context.Context) (string, error) { return h.IPMI.Hostname, nil },
				Port:        h.IPMI.Port,
				User:        bmcUser,
				Password:    func() (pxepilot.Secret, error) { return pxepilot.NewSecret(bmcPassword), nil },
				CipherSuite: -1,
				Idle:        idle,
			}), nil
		},
		Key:     func(h *pxepilot.Host) string { return h.Name },
		Address: func(h *pxepilot.Host) string { return h.IPMI.Hostname },
	})
	b.Cleanup(f.Close)
	f.Update(inv)
	return f
}

// ask asks all BMCs at once, and returns when the last one was heard and when all
// was over. Those that are silent must be in error, and nobody else.
func (f *fleet) ask(silent func(i int) bool) (heard, over time.Duration) {
	f.b.Helper()
	took := make([]time.Duration, len(f.hosts))
	states := make([]pxepilot.PowerState, len(f.hosts))
	errs := make([]error, len(f.hosts))
	var wg sync.WaitGroup
	began := time.Now()
	for i, h := range f.hosts {
		wg.Go(func() {
			states[i], errs[i] = f.State(f.b.Context(), h)
			took[i] = time.Since(began)
		})
	}
	wg.Wait()
	over = time.Since(began)
	for i := range f.hosts {
		switch {
		case silent(i) && errs[i] == nil:
			f.b.Fatalf("host %d: a silent BMC said %q", i, states[i])
		case silent(i):
			continue
		case errs[i] != nil || states[i] != pxepilot.PowerOff:
			f.b.Fatalf("host %d: %q, %v", i, states[i], errs[i])
		}
		heard = max(heard, took[i])
	}
	return heard, over
}
