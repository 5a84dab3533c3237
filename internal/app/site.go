package app

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"slices"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/config"
	"github.com/pxe-pilot/pxe-pilot/internal/pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/power/command"
	"github.com/pxe-pilot/pxe-pilot/internal/program"
	"github.com/pxe-pilot/pxe-pilot/internal/tftproot"
	"github.com/pxe-pilot/pxe-pilot/internal/tftproot/layout"
)

// A state is all that the configuration file makes of the program. It is
// immutable; a reload builds another one and swaps.
type state struct {
	site        *pilot.Site
	root        *tftproot.Root
	server      config.Server
	kept        config.State
	certificate *tls.Certificate // nil without TLS
	adapters    map[string]pxepilot.Adapter
	authorities map[string]string // digests of the files that Redfish services are believed by
	warnings    []config.Problem
}

// build reads the configuration file at path and builds the state. It returns
// the paths that it depends on in any case, so that they can be watched.
func build(path string, log *slog.Logger) (*state, []string, error) {
	c, err := load(path)
	var paths []string
	if c != nil {
		paths = c.Files
		if c.HostsDirectory != "" {
			paths = append(paths, c.HostsDirectory)
		}
		if c.Server.TLS != nil { // certificates are renewed
			paths = append(paths, c.Server.TLS.Certificate, c.Server.TLS.Key)
		}
		for _, h := range c.Hosts {
			if h.Redfish != nil && h.Redfish.CAFile != "" && !slices.Contains(paths, h.Redfish.CAFile) {
				paths = append(paths, h.Redfish.CAFile)
			}
		}
	}
	if err != nil {
		return nil, paths, err
	}
	s, err := assemble(c, log)
	// The nodes of a large file are ten times its size, and garbage by now.
	debug.FreeOSMemory()
	return s, paths, err
}

// load reads the configuration file, and has the commands in it checked by those
// who will run them.
func load(path string) (*config.Config, error) {
	remarks := func(problems []command.Problem) []config.Remark {
		list := make([]config.Remark, len(problems))
		for i, p := range problems {
			list[i] = config.Remark{Where: p.Where, Text: p.Text, Warning: p.Warning}
		}
		return list
	}
	return config.Load(path, config.WithCommands(config.Commands{
		Adapter: func(a pxepilot.Adapter) []config.Remark { return remarks(command.Check(adapter(a))) },
		Host: func(a pxepilot.Adapter, vars []pxepilot.Var, address bool) []config.Remark {
			return remarks(command.Unknown(adapter(a), values(vars), address))
		},
		Words: func(line string) error {
			_, err := program.Split(line)
			return err
		},
		Doubt: func(line string) string {
			words, err := program.Split(line)
			if err != nil {
				return "" // Words tells it
			}
			return program.Doubt(words)
		},
	}))
}

func assemble(c *config.Config, log *slog.Logger) (*state, error) {
	inv, err := pxepilot.NewInventory(c.Hosts)
	if err != nil {
		return nil, err
	}
	root, err := tftproot.New(tftproot.Options{
		Path:        c.TFTP.Root,
		Directory:   c.Configuration.Directory,
		Bootloaders: c.Configuration.Bootloaders,
		Absolute:    c.TFTP.AbsoluteLinks,
		Logger:      log,
	})
	if err != nil {
		return nil, err
	}
	loaders, err := bootloaders(c.Configuration.Bootloaders)
	if err != nil {
		return nil, err
	}
	servers, err := tftpServers(c.TFTP)
	if err != nil {
		return nil, err
	}
	after, err := afterSwitch(c)
	if err != nil {
		return nil, err
	}
	s := &state{
		site: &pilot.Site{
			Inventory: inv, Bootloaders: loaders, Declared: len(c.Configuration.Bootloaders) > 0, Root: root,
			Explainer: root, Files: root, Texts: root, Recover: root.Recover, Servers: servers, Verify: c.Deploy.Verify, AfterSwitch: after,
			Rules: c.Configuration.Settings,
		},
		root:     root,
		server:   c.Server,
		kept:     c.State,
		adapters: make(map[string]pxepilot.Adapter, len(c.Adapters)),
		warnings: c.Warnings,
	}
	for _, a := range c.Adapters {
		s.adapters[a.Name] = a
	}
	s.authorities = authorities(c.Hosts)
	if c.Server.TLS != nil {
		pair, err := tls.LoadX509KeyPair(c.Server.TLS.Certificate, c.Server.TLS.Key)
		if err != nil {
			return nil, fmt.Errorf("server.tls: %w", err)
		}
		s.certificate = &pair
	}
	return s, nil
}

// authorities are the digests of the files that Redfish services are believed by:
// drivers read such a file once, and so need to be made anew when it is renewed.
func authorities(hosts []*pxepilot.Host) map[string]string {
	digests := map[string]string{}
	for _, h := range hosts {
		if h.Redfish == nil || h.Redfish.CAFile == "" {
			continue
		}
		if _, known := digests[h.Redfish.CAFile]; !known {
			text, _ := os.ReadFile(h.Redfish.CAFile) // the driver tells what is wrong with it
			digests[h.Redfish.CAFile] = fmt.Sprintf("%x", sha256.Sum256(text))
		}
	}
	return digests
}

// bootloaders completes the declared bootloaders, or the default one, by what the
// table of layouts says of their links.
func bootloaders(list []pxepilot.Bootloader) ([]pxepilot.Bootloader, error) {
	if len(list) == 0 {
		list = []pxepilot.Bootloader{{Name: layout.Default}}
	}
	full := make([]pxepilot.Bootloader, len(list))
	for i, b := range list {
		links, err := layout.Links(b)
		if err != nil {
			return nil, err
		}
		full[i] = b
		full[i].Links = links
	}
	return full, nil
}
