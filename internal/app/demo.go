package app

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"text/template"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/cli"
	"github.com/pxe-pilot/pxe-pilot/internal/pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/power/fakebmc"
)

//go:embed demosite
var demoFiles embed.FS

// demoStart is what the hosts of the demo site boot at its start. Those that are
// not named have no link yet.
var demoStart = []struct{ configuration, host string }{
	{"local", "web1"},
	{"local", "web2"},
	{"debian-12-install", "db1"},
	{"local", "lab1"},
	{"local", "lab3"},
}

// demoBMCs are the hosts of the demo site that have a simulated BMC, which speaks
// real IPMI and acts on a machine that is a few variables, and whether it is
// silent.
var demoBMCs = map[string]bool{"web1": false, "web2": false, "db1": false, "lab1": true}

// demo is "pxe-pilot demo": a server on a site of its own making, with a real
// TFTP root in a temporary directory, which goes when the server ends.
func demo(ctx context.Context, o cli.DemoOptions) (err error) {
	dir, err := os.MkdirTemp("", "pxe-pilot-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	// A TFTP server of another user could be pointed at it.
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	ports, stopBMCs, err := startBMCs()
	defer stopBMCs()
	if err != nil {
		return fmt.Errorf("the BMCs of the demo site cannot be started: %w", err)
	}
	config, err := makeDemo(dir, o.Port, ports)
	if err != nil {
		return fmt.Errorf("the demo site cannot be made: %w", err)
	}
	var started error
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	server := &Server{
		Config: config,
		State:  filepath.Join(dir, "state"),
		Env:    os.Getenv,
		Log:    newLogger(o.Stderr, o.Debug),
		Ready: func(url string, p *pilot.Pilot) {
			if started = deployDemo(ctx, p); started != nil {
				stop()
				return
			}
			welcome(o.Stdout, dir, url)
		},
	}
	return errors.Join(server.Run(ctx), started)
}

// startBMCs starts the simulated BMCs, and returns their ports.
func startBMCs() (ports map[string]uint16, stop func(), err error) {
	ports = map[string]uint16{}
	var started []*fakebmc.IPMI
	stop = func() {
		for _, b := range started {
			_ = b.Close()
		}
	}
	for name, silent := range demoBMCs {
		machine := &fakebmc.Machine{}
		machine.Press(name != "web2")
		b, err := fakebmc.StartIPMI("127.0.0.1:0", fakebmc.Account{User: "demo", Password: pxepilot.NewSecret("demo")}, machine)
		if err != nil {
			return nil, stop, err
		}
		b.SetSilent(silent)
		started = append(started, b)
		ports[name] = b.Addr().Port()
	}
	return ports, stop, nil
}

// makeDemo writes the site into dir and returns the path of its configuration
// file.
func makeDemo(dir string, port int, bmcs map[string]uint16) (string, error) {
	root := filepath.Join(dir, "tftp")
	configurations := filepath.Join(root, "configurations")
	for from, to := range map[string]string{
		"tftp":     root,
		"pxelinux": filepath.Join(configurations, "pxelinux"),
		"grub":     filepath.Join(configurations, "grub"),
	} {
		files, err := fs.Sub(demoFiles, "demosite/"+from)
		if err != nil {
			return "", err
		}
		if err := os.CopyFS(to, files); err != nil {
			return "", err
		}
	}
	const file = "pxe-pilot.yml.tmpl"
	text, err := template.New(file).Funcs(template.FuncMap{
		"bmc": func(host string) string {
			return fmt.Sprintf("{hostname: 127.0.0.1, port: %d, username: demo, password: demo}", bmcs[host])
		},
	}).ParseFS(demoFiles, "demosite/"+file)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "pxe-pilot.yml")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // there are passwords in it
	if err != nil {
		return "", err
	}
	err = text.Execute(f, struct {
		Root, Configurations string
		Port                 int
	}{root, configurations, port})
	return path, errors.Join(err, f.Close())
}

func deployDemo(ctx context.Context, p *pilot.Pilot) error {
	for _, d := range demoStart {
		_, err := p.Change(ctx, pilot.Change{
			Want:          pxepilot.Deploy,
			Configuration: d.configuration,
			Hosts:         []pilot.HostRef{{Name: d.host}},
			By:            pilot.Actor{Name: "demo"},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// welcome says what to type next.
func welcome(w io.Writer, dir, url string) {
	command := "./pxe-pilot"
	if url != "http://localhost:3478" && url != "http://127.0.0.1:3478" {
		command += " -s " + url
	}
	fmt.Fprintf(w, `
The demo site is served at %[3]s, until Ctrl-C. Its TFTP root is
%[2]s/tftp, its configuration file %[2]s/pxe-pilot.yml.
In another terminal, try:

  %[1]s host list
  %[1]s config list
  %[1]s config deploy --now ubuntu-24.04-install web1 web2
  %[1]s config deploy ubuntu-24.04-install db1 --then local
  %[1]s host armed
  curl -s -X POST '%[3]s/v1/self/done?host=db1'    # as its installer would
  %[1]s history
  %[1]s host off db1
  %[1]s host status web1 web2 db1
  %[1]s host show lab1                 # its BMC is dead
  %[1]s host explain db1
  %[1]s host explain lab3              # boots something else
  %[1]s config deploy --dry-run debian-12-install lab1 lab2
  %[1]s config deploy memtest lab1     # refused: no variant for GRUB
  %[1]s host clear web2
  ls -l %[2]s/tftp/pxelinux.cfg
  curl -s %[3]s/v1/hosts/db1

`, command, dir, url)
}
