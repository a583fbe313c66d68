package control

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rosterd/rosterd/sync"
)

type (
	// Trend is how an org went lately.
	Trend = sync.Trend
	// TrendRow is one count of it.
	TrendRow = sync.TrendRow
	// LagRow is how long changes took in one hour of it.
	LagRow = sync.LagRow
)

func (s *Server) routeTrend() {
	handle(s, Viewer, huma.Operation{
		OperationID: "history", Method: http.MethodGet, Path: "/v1/history", Tags: []string{"daemon"}, Summary: "How the org went lately, by the hour",
	}, func(ctx context.Context, c call, in *struct {
		InOrg
		Days int `query:"days" minimum:"1" maximum:"366" default:"30"`
	},
	) (*answer[sync.Trend], error) {
		h, err := c.Engine.Trend(ctx, in.Days)
		return &answer[sync.Trend]{h}, err
	})
}

// Trend counts by the hour what happened in the last days.
func (c *Client) Trend(ctx context.Context, days int) (Trend, error) {
	return get[Trend](ctx, c, "/v1/history", url.Values{"days": {strconv.Itoa(days)}})
}
