package cli

import (
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/pxe-pilot/pxe-pilot/client"
)

const (
	defaultServer  = client.DefaultServer
	serverVariable = "PXE_PILOT_SERVER"
)

// connect makes a client of the server that --server names, or else the
// environment. Nothing is sent yet.
func (p *program) connect(cmd *cobra.Command) (*client.Client, error) {
	server, from := p.server, "--server"
	if !cmd.Flags().Changed("server") && p.Env != nil {
		if s := p.Env(serverVariable); s != "" {
			server, from = s, "$"+serverVariable
		}
	}
	if server == "" {
		return nil, wrongUsage(cmd, "%s is empty; want a URL such as %s", from, defaultServer)
	}
	options := []client.Option{client.WithUserAgent("pxe-pilot/" + p.version)}
	if p.HTTP != nil {
		options = append(options, client.WithHTTPClient(p.HTTP))
	}
	if p.debug {
		log := slog.New(slog.NewTextHandler(p.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
		options = append(options, client.WithLogger(log))
	}
	c, err := client.New(server, options...)
	if err != nil {
		return nil, wrongUsage(cmd, "%s: %v", from, err)
	}
	return c, nil
}
