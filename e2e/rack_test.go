package e2e

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
	"github.com/pxe-pilot/pxe-pilot/internal/cli"
	"github.com/pxe-pilot/pxe-pilot/internal/cli/clitest"
	"github.com/pxe-pilot/pxe-pilot/internal/power/fakebmc"
	"github.com/pxe-pilot/pxe-pilot/internal/power/redfish/redfishtest"
)

// The command line's scripts of power hold for a real server with BMCs, too.
func TestRackScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:  filepath.Join("..", "internal", "cli", "testdata", "rack"),
		Cmds: clitest.Commands(cli.Local{}),
		Setup: func(env *testscript.Env) error {
			t := env.T().(testing.TB)
			site := lab.NewSite(t)
			for name, content := range clitest.Configurations {
				site.Configure(t, name, content)
			}
			text := clitest.Rack(site.Root, func(n int) netip.AddrPort {
				if n == 19 {
					return nobody
				}
				m := new(fakebmc.Machine)
				m.Press(n <= 10)
				b, err := fakebmc.StartIPMI("127.0.0.1:0", fakebmc.Account{User: "user", Password: lab.Account("pass").Password}, m)
				if err != nil {
					t.Fatal(err)
				}
				lab.Closing(t, b)
				return b.Addr()
			})
			site.Describe(t, text+"server: {address: 127.0.0.1, port: 0}\n")
			server := site.Serve(t)
			all := make([]apiv1.HostRef, clitest.RackSize)
			for i := range all {
				all[i].Name = fmt.Sprintf("r%02d", i+1)
			}
			_, err := server.Client.Deploy(t.Context(), "local", apiv1.Change{Hosts: all})
			env.Setenv("PXE_PILOT_SERVER", server.URL)
			return err
		},
	})
}

// Sessions are kept from one command to the next, and are ended when the server
// is: BMCs have few.
func TestSessionsEnd(t *testing.T) {
	site, machine := lab.NewSite(t), new(fakebmc.Machine)
	bmc := lab.BMC(t, "pass-of-h1", machine)
	service := redfishtest.New(redfishtest.Options{Username: lab.User, Password: "pass-of-h2"})
	t.Cleanup(service.Close)
	hosts := lab.Hosts(2, 1)
	hosts[0].Power = lab.IPMI(bmc.Addr(), "password: pass-of-h1")
	hosts[1].Power = redfish(service, "password: pass-of-h2")
	describe(t, site, hosts...)
	server := site.Serve(t)

	for range 3 {
		if _, err := server.Client.Hosts(t.Context()); err != nil {
			t.Fatal(err)
		}
		lab.PxePilot(t, "-s", server.URL, "host", "status", "h1", "h2")
	}
	open, made := service.Sessions()
	if bmc.Sessions() != 1 || open != 1 || made != 1 {
		t.Errorf("the BMCs hold %d and %d sessions, of %d that were ever made; want one each", bmc.Sessions(), open, made)
	}
	server.Stop(t)
	if open, _ := service.Sessions(); bmc.Sessions() != 0 || open != 0 {
		t.Errorf("%d and %d sessions are left", bmc.Sessions(), open)
	}
}
