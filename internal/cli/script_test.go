package cli_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/internal/cli"
	"github.com/pxe-pilot/pxe-pilot/internal/cli/clitest"
)

func TestMain(m *testing.M) {
	time.Local = time.FixedZone("", 3600) // tables show times of this machine
	goleak.VerifyTestMain(m)
}

// TestSite runs the scripts that hold for a real server, too.
func TestSite(t *testing.T) { scripts(t, "testdata/site", newFakeSite) }

// TestRack runs those that hold for a real server with BMCs that answer.
func TestRack(t *testing.T) { scripts(t, "testdata/rack", newFakeRack) }

// TestFake runs the scripts that need a server that is odd, or none.
func TestFake(t *testing.T) { scripts(t, "testdata/fake", newFakeSite) }

func scripts(t *testing.T, dir string, site func() *fakeSite) {
	testscript.Run(t, testscript.Params{
		Dir:                dir,
		Cmds:               clitest.Commands(local),
		RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			t := env.T().(testing.TB)
			powered := newFakeSite()
			powered.hosts[1].IPMI.Hostname, powered.bmcs["h2"] = "1.2.3.4", &fakeBMC{state: "On", address: "1.2.3.4"}
			for name, handler := range map[string]http.Handler{
				"PXE_PILOT_SERVER": site(),
				"POWERED":          powered,
				"ODD":              odd(),
				"RACK":             newFakeRack(),
				"UNLUCKY":          unlucky(),
				"SERVED":           served(),
				"EVENTFUL":         eventful(),
				"TROUBLED":         troubled(),
				"UNPUSHED":         unpushed(),
				"SWEPT":            swept(),
				"HOSTILE":          hostile(),
				"EMPTY":            &fakeSite{hosts: []apiv1.Host{}, configurations: []apiv1.Configuration{}, bootloaders: []apiv1.Bootloader{}},
				"FORBIDDEN":        refusing(http.StatusForbidden, `the name "pilot" is not one of this server's`),
				"UNAUTHORIZED":     refusing(http.StatusUnauthorized, "who are you?"),
				"BROKEN":           refusing(http.StatusInternalServerError, "internal error; the server's log has the details"),
				"BUSY":             refusing(http.StatusServiceUnavailable, "somebody else is changing the TFTP root; try again"),
				"EVIL":             refusing(http.StatusConflict, "no\n\x1b[2Jroot@server# "),
				"ELSE":             http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>It works!</html>")) }),
			} {
				env.Setenv(name, serve(t, handler))
			}
			env.Setenv("NOBODY", "http://127.0.0.1:1") // tcpmux, which no machine serves
			return nil
		},
	})
}

// local stands for what app wires.
var local = cli.Local{
	Server: func(_ context.Context, o cli.ServerOptions) error {
		fmt.Fprintf(o.Stderr, "level=INFO msg=serving config=%s debug=%t\n", o.Config, o.Debug)
		switch o.Config {
		case "missing.yml":
			return pxepilot.Errorf(pxepilot.NotFound, "missing.yml: no such file")
		case "wrong.yml":
			return errors.New("wrong.yml:1:1: unknown key hots; did you mean hosts?\nwrong.yml:2:5: host \x1b has no MAC address")
		}
		return nil
	},
	Check: func(_ context.Context, o cli.CheckOptions) ([]cli.Finding, error) {
		dangles := cli.Finding{Severity: cli.Warning, Where: "/srv/tftp/pxelinux.cfg/01-\n", Message: "the link leads to nothing"}
		if o.Verify {
			return []cli.Finding{{Severity: cli.Error, Where: "10.0.0.2:69", Message: "the TFTP server does not answer"}}, nil
		}
		switch o.Config {
		case "missing.yml":
			return nil, errors.New("missing.yml: no such file")
		case "fair.yml":
			return []cli.Finding{dangles}, nil
		case "wrong.yml":
			return []cli.Finding{
				{Severity: cli.Error, Where: "wrong.yml:1:1", Message: "unknown key hots; did you mean hosts?"},
				{Severity: cli.Error, Message: "there is no host"},
				dangles,
			}, nil
		case "half.yml":
			return []cli.Finding{dangles}, errors.New("the TFTP root went away")
		}
		return nil, nil
	},
	Backup: func(_ context.Context, o cli.BackupOptions) (*cli.Backup, error) {
		if o.Config == "missing.yml" {
			return nil, pxepilot.Errorf(pxepilot.NotFound, "missing.yml: no such file")
		}
		return &cli.Backup{File: "/srv/" + o.File, Directory: "/var/lib/pxe-pilot"}, nil
	},
	Demo: func(_ context.Context, o cli.DemoOptions) error {
		fmt.Fprintf(o.Stdout, "the demo site is on port %d\n", o.Port)
		fmt.Fprintln(o.Stderr, "level=INFO msg=serving")
		return nil
	},
}
