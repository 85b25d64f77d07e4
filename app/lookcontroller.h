// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// LookController: one selection drives every view. Connects table, pages and scheme editor with session and analyser:
// which tensor is looked at, under which scheme, what is asked for, and what an edit means for the policy.
#pragma once

#include "app/analyser.h"
#include "app/session.h"
#include "widgets/panels/schemeeditor.h"
#include "widgets/panels/weightspage.h"

#include <QObject>

namespace ql {

class LayersModel;
class LayersPanel;
class MapPage;
class MetricsPanel;

class LookController : public QObject
{
    Q_OBJECT
public:
    struct Views {
        LayersModel* layers;
        LayersPanel* table;
        WeightsPage* weights;
        MapPage* map;
        SchemeEditor* editor;
        MetricsPanel* metrics;
    };
    LookController(Session* session, Analyser* analyser, const Views& views, QObject* parent = nullptr);

    void setMapVisible(bool visible); ///< the map is computed only while it is seen
    const QList<int>& selection() const { return m_selection; }
    const Analyser::Subject& subject() const { return m_subject; }
    Scheme currentScheme() const;
    QString caption() const; ///< model and tensor
    /// `fields`: the options that were changed; tensors other than the current one keep theirs elsewhere.
    void editScheme(const Scheme& scheme, EditScope scope, bool finished, SchemeFields fields);
    /// Analyses and scheme editor may clip by its output errors; null: none.
    void setCalibration(const std::shared_ptr<const Calibration>& calibration, const std::shared_ptr<ThreadPool>& pool);
    void refresh(); ///< ask again for everything visible (another device, another model)

Q_SIGNALS:
    void totalsChanged();
    /// What is looked at and under which scheme, as it is asked for; `preview`: a knob is still moving.
    void shown(int tensor, const ql::Scheme& scheme, bool preview);
    void tableOrdered(const QList<int>& order);
    void clipStudyChanged(ql::Shared<ql::ClipStudy> study);
    void noted(const QString& text); ///< something worth a line in the inline bar

private:
    void connectViews();
    void connectResults();
    void select(const QList<int>& tensors, int current);
    void pickChannel(qint64 row);
    void adoptDecisions();
    void showSubject();
    void showEditor();
    Scheme schemeOfSubject() const;
    void ask();
    void askSecondPlot();
    void orderTable(const QList<int>& visibleFirst);
    void showMetrics(const Quantization& quantization);

    Session* m_session;
    Analyser* m_analyser;
    Views m_views;
    QList<int> m_selection;
    Analyser::Subject m_subject;
    QList<int> m_visible;
    std::vector<Decision> m_shownDecisions;
    std::optional<ErrorMetrics> m_metrics;  ///< of the scheme that is shown, exact
    std::optional<ErrorMetrics> m_baseline; ///< of the scheme before
    double m_tensorLimit = 0; ///< clip limit of the whole tensor, weight units
    MapRegion m_region;
    int m_maxTiles = 512;
    bool m_mapVisible = false;
};

} // namespace ql
