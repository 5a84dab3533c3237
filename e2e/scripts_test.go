package e2e

import (
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
	"github.com/pxe-pilot/pxe-pilot/internal/cli"
	"github.com/pxe-pilot/pxe-pilot/internal/cli/clitest"
)

// The command line's own scripts hold for a real server, too.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:  filepath.Join("..", "internal", "cli", "testdata", "site"),
		Cmds: clitest.Commands(cli.Local{}),
		Setup: func(env *testscript.Env) error {
			t := env.T().(testing.TB)
			site := lab.NewSite(t)
			for name, content := range clitest.Configurations {
				site.Configure(t, name, content)
			}
			site.Describe(t, clitest.Site(site.Root)+"server: {address: 127.0.0.1, port: 0}\n")
			server := site.Serve(t)
			_, err := server.Client.Deploy(t.Context(), "local", apiv1.Change{Hosts: []apiv1.HostRef{{Name: "h1"}, {Name: "h3"}}})
			env.Setenv("PXE_PILOT_SERVER", server.URL)
			return err
		},
	})
}
