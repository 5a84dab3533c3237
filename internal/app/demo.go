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
}

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
	config, err := makeDemo(dir, o.Port)
	if err != nil {
		return fmt.Errorf("the demo site cannot be made: %w", err)
	}
	var started error
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	server := &Server{
		Config: config,
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

// makeDemo writes the site into dir and returns the path of its configuration
// file.
func makeDemo(dir string, port int) (string, error) {
	root := filepath.Join(dir, "tftp")
	configurations := filepath.Join(root, "configurations")
	for _, loader := range []string{"pxelinux", "grub"} {
		files, err := fs.Sub(demoFiles, "demosite/"+loader)
		if err != nil {
			return "", err
		}
		if err := os.CopyFS(filepath.Join(configurations, loader), files); err != nil {
			return "", err
		}
	}
	text, err := template.ParseFS(demoFiles, "demosite/pxe-pilot.yml.tmpl")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "pxe-pilot.yml")
	f, err := os.Create(path)
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
  %[1]s config deploy ubuntu-24.04-install web1 web2
  %[1]s host show lab1
  %[1]s config deploy --dry-run debian-12-install lab1 lab2
  %[1]s config deploy memtest lab1     # refused: no variant for GRUB
  %[1]s host clear web2
  ls -l %[2]s/tftp/pxelinux.cfg
  curl -s %[3]s/v1/hosts/db1

`, command, dir, url)
}
