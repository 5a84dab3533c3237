// Package clitest runs scripts that read like terminal sessions against the
// command line. The scripts of internal/cli/testdata/site hold for any server
// whose site is the one of Site: that of the fake server in the cli package's
// tests as well as a real one.
package clitest

import (
	"context"
	"fmt"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pxe-pilot/pxe-pilot/internal/cli"
)

// Version is what the program says its version is.
const Version = "1.2.3"

// Commands are those that scripts have besides testscript's own:
//
//	pxe-pilot ARG...           runs the program, which must succeed ("!": must fail)
//	exits N pxe-pilot ARG...   runs it and wants just that exit status
//
// The program runs in this process. Its environment is the script's, where
// PXE_PILOT_SERVER tells the server, and stdout is a terminal where TTY is set.
func Commands(local cli.Local) map[string]func(*testscript.TestScript, bool, []string) {
	run := func(ts *testscript.TestScript, args []string) int {
		return cli.Run(context.Background(), args, cli.IO{
			Stdout:    ts.Stdout(),
			Stderr:    ts.Stderr(),
			Env:       ts.Getenv,
			StdoutTTY: ts.Getenv("TTY") != "",
		}, Version, local)
	}
	return map[string]func(*testscript.TestScript, bool, []string){
		"pxe-pilot": func(ts *testscript.TestScript, not bool, args []string) {
			if status := run(ts, args); (status == 0) == not {
				ts.Fatalf("exit status %d", status)
			}
		},
		"exits": func(ts *testscript.TestScript, not bool, args []string) {
			if not || len(args) < 2 || args[1] != "pxe-pilot" {
				ts.Fatalf("usage: exits N pxe-pilot ARG...")
			}
			want, err := strconv.Atoi(args[0])
			ts.Check(err)
			if got := run(ts, args[2:]); got != want {
				ts.Fatalf("exit status %d, want %d", got, want)
			}
		},
	}
}

// Site is a configuration file for the site that the scripts in testdata/site
// expect, with its TFTP root at the directory root. Its configurations are those
// of Configurations; h1 and h3 boot "local" at the beginning of each script, and
// h2 has no links.
func Site(root string) string {
	return fmt.Sprintf(`---
hosts:
  - name: h1
    mac_addresses: ["00:00:00:00:00:01"]
  - name: h2
    mac_addresses: ["00:00:00:00:00:02"]
    ipmi:
      mac_address: "00:00:00:00:00:a2"
      username: "user"
      password: "pass"
      interface: "lanplus"
      subnets: "10.0.0.0/24"
  - name: h3
    mac_addresses: ["00:00:00:00:00:03", "00:00:00:00:00:33"]
    labels: {rack: a}
tftp:
  root: %q
configuration:
  directory: %q
`, root, root+"/pxelinux.cfg/conf")
}

// Configurations are the files of the site and what they contain.
var Configurations = map[string]string{
	"local":        "DEFAULT local\nLABEL local\n  LOCALBOOT 0\n",
	"ubuntu-14.04": "DEFAULT install\nLABEL install\n  KERNEL ubuntu-14.04/linux\n  INITRD ubuntu-14.04/initrd.gz\n",
	"ubuntu-16.04": "DEFAULT install\nLABEL install\n  KERNEL ubuntu-16.04/linux\n  INITRD ubuntu-16.04/initrd.gz\n",
}
