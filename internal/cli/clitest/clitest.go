// Package clitest runs scripts that read like terminal sessions against the
// command line. The scripts of internal/cli/testdata/site hold for any server
// whose site is the one of Site, and those of testdata/rack for any whose site is
// the one of Rack: the fake servers in the cli package's tests as well as a real
// one.
package clitest

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

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
// PXE_PILOT_SERVER tells the server, stdout is a terminal where TTY is set, and
// stderr where STDERR_TTY is.
func Commands(local cli.Local) map[string]func(*testscript.TestScript, bool, []string) {
	run := func(ts *testscript.TestScript, args []string) int {
		return cli.Run(context.Background(), args, cli.IO{
			Stdout:    ts.Stdout(),
			Stderr:    ts.Stderr(),
			Env:       ts.Getenv,
			StdoutTTY: ts.Getenv("TTY") != "",
			StderrTTY: ts.Getenv("STDERR_TTY") != "",
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

// RackSize is how many hosts Rack has.
const RackSize = 20

// Rack is a configuration file for the site that the scripts in testdata/rack
// expect: hosts r01 to r20 that all boot "local" at the beginning of each script,
// of the same configurations as Site. The machines r01 to r10 are on then, r11 to
// r18 are off. The BMC of r19 answers nobody, and nothing drives the power of
// r20. bmc tells where the BMC of each of the others is, and of r19, all with the
// user "user" and the password "pass".
func Rack(root string, bmc func(n int) netip.AddrPort) string {
	var b strings.Builder
	b.WriteString("---\nhosts:\n")
	for n := 1; n <= RackSize; n++ {
		fmt.Fprintf(&b, "  - name: r%02d\n    mac_addresses: [\"00:00:00:00:01:%02x\"]\n", n, n)
		if n < RackSize {
			at := bmc(n)
			fmt.Fprintf(&b, "    ipmi: {hostname: %q, port: %d, username: user, password: pass}\n", at.Addr(), at.Port())
		}
	}
	fmt.Fprintf(&b, "tftp:\n  root: %q\nconfiguration:\n  directory: %q\n", root, root+"/pxelinux.cfg/conf")
	return b.String()
}

// Configurations are the files of the site and what they contain.
var Configurations = map[string]string{
	"local":        "DEFAULT local\nLABEL local\n  LOCALBOOT 0\n",
	"ubuntu-14.04": "DEFAULT install\nLABEL install\n  KERNEL ubuntu-14.04/linux\n  INITRD ubuntu-14.04/initrd.gz\n",
	"ubuntu-16.04": "DEFAULT install\nLABEL install\n  KERNEL ubuntu-16.04/linux\n  INITRD ubuntu-16.04/initrd.gz\n",
}
