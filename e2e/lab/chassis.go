package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// BMC puts ipmi_sim in front of a machine, and says so in the site's file. From
// then on nobody else turns the machine on and off.
func (s *BootSite) BMC(t testing.TB, m *Machine) *Sim {
	t.Helper()
	testenv.Need(t, "curl")
	dir := filepath.Join(m.Dir, "bmc")
	program := filepath.Join(dir, "chassis.sh")
	Write(t, program, string(script(t, "chassis")))
	if err := os.Chmod(program, 0o755); err != nil {
		t.Fatal(err)
	}
	c := &chassis{ctx: t.Context(), name: m.Name, dir: dir, machine: m.Command(t).Args}
	t.Cleanup(func() { c.keep(t) })
	c.listen(t)
	const password = "lab-password"
	secret := filepath.Join(dir, "password")
	if err := os.WriteFile(secret, []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	bmc := newSim(t, s.addressBeside(t, m), dir, program, password)
	m.Power = IPMI(bmc.At, "password_file: "+secret)
	return bmc
}

// addressBeside makes an address for the BMC of a machine, which counts as that of
// a tenth network card.
func (s *BootSite) addressBeside(t testing.TB, m *Machine) string {
	t.Helper()
	address := fmt.Sprintf("10.77.%d.%d", s.number, 10*(slices.Index(s.machines, m)+1)+9)
	a, err := netlink.ParseAddr(address + "/24")
	if err == nil {
		err = netlink.AddrAdd(s.bridge, a)
	}
	if err != nil {
		t.Fatalf("address of a BMC: %v", err)
	}
	return address
}

// A chassis is what a BMC drives a machine by: it does what ipmi_sim's script
// passes on. Its files are those of the other chassis (Sim).
type chassis struct {
	ctx     context.Context
	name    string // of the machine
	dir     string
	machine []string // its command line

	mu    sync.Mutex
	qemus []*Process // the machine, as often as it was turned on
}

// listen starts to take orders.
func (c *chassis) listen(t testing.TB) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(c.ctx, "unix", filepath.Join(c.dir, "chassis"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: c, ReadHeaderTimeout: Patience}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}

// ServeHTTP does what one call of the script says. ipmi_sim answers nobody until
// it returns, and so a machine is only told to start, while one that is to end is
// waited for: the next needs its disk and its cables.
func (c *chassis) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	order, err := io.ReadAll(r.Body)
	if err == nil {
		verb, rest, _ := strings.Cut(string(order), " ")
		if verb == "get" {
			c.tell(w, strings.Fields(rest))
			return
		}
		err = c.do(rest)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// tell answers as ipmi_sim reads it.
func (c *chassis) tell(w io.Writer, whats []string) {
	for _, what := range whats {
		switch what {
		case "power":
			on := 0
			if c.on() {
				on = 1
			}
			fmt.Fprintf(w, "power:%d\n", on)
		case "boot":
			fmt.Fprintln(w, "boot:none")
		}
	}
}

// do follows an order, and notes it.
func (c *chassis) do(order string) error {
	what, value, _ := strings.Cut(order, " ")
	var err error
	switch order {
	case "power 1":
		if !c.on() {
			err = c.start()
		}
	case "reset 1":
		if c.on() {
			c.stop()
			err = c.start()
		}
	case "power 0", "shutdown 1":
		c.stop()
	default:
		if what != "boot" {
			return fmt.Errorf("the lab's machines know no %q", order)
		}
		err = os.WriteFile(filepath.Join(c.dir, "boot"), []byte(value), 0o644)
	}
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(c.dir, "log"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(log, order)
	return errors.Join(err, log.Close())
}

// on says whether the machine runs. One that turned itself off does not.
func (c *chassis) on() bool {
	if len(c.qemus) == 0 {
		return false
	}
	select {
	case <-c.qemus[len(c.qemus)-1].ended:
		return false
	default:
		return true
	}
}

func (c *chassis) start() error {
	cmd := exec.CommandContext(c.ctx, c.machine[0], c.machine[1:]...)
	p, err := newProcess(cmd, cmd.Start)
	if err == nil {
		c.qemus = append(c.qemus, p)
	}
	return err
}

func (c *chassis) stop() {
	if c.on() {
		c.qemus[len(c.qemus)-1].Kill()
	}
}

// keep ends what runs, and keeps what was ordered if the test failed.
func (c *chassis) keep(t testing.TB) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.qemus {
		p.end(t)
	}
	if log := filepath.Join(c.dir, "log"); t.Failed() && Exists(log) {
		keep(t, c.name+"-orders", Read(t, log))
	}
}
