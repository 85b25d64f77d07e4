// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/lookcontroller.h"

#include "core/base/format.h"
#include "core/quant/schemetable.h"
#include "widgets/models/layersmodel.h"
#include "widgets/models/numbertext.h"
#include "widgets/panels/layerspanel.h"
#include "widgets/panels/mappage.h"
#include "widgets/panels/metricspanel.h"

#include <numeric>

namespace ql {

LookController::LookController(Session* session, Analyser* analyser, const Views& views, QObject* parent)
    : QObject(parent), m_session(session), m_analyser(analyser), m_views(views)
{
    connectViews();
    connectResults();
    connect(session, &Session::modelChanged, this, [this] {
        m_analyser->setModel(m_session->model());
        m_views.layers->setModel(m_session->model());
        m_shownDecisions.clear();
        m_visible.clear();
        m_selection.clear();
        m_subject = {};
        showSubject();
    });
    connect(session, &Session::policyChanged, this, &LookController::adoptDecisions);
}

void LookController::connectViews()
{
    connect(m_views.table, &LayersPanel::selectionChanged, this, &LookController::select);
    connect(m_views.table, &LayersPanel::visibleTensorsChanged, this, &LookController::orderTable);
    connect(m_views.editor, &SchemeEditor::schemeEdited, this, &LookController::editScheme);
    connect(m_views.editor, &SchemeEditor::lockToggled, this, [this](bool locked) { m_session->setLocked(m_selection, locked); });
    connect(m_views.editor, &SchemeEditor::resetRequested, this, [this] { m_session->clearOverrides(m_selection); });
    connect(m_views.weights, &WeightsPage::schemeEdited, this, [this](const Scheme& scheme, bool finished) {
        editScheme(scheme, EditScope::Tensor, finished, {});
    });
    connect(m_views.weights, &WeightsPage::secondPlotChanged, this, &LookController::askSecondPlot);
    connect(m_views.weights, &WeightsPage::channelPicked, this, &LookController::pickChannel);
    connect(m_views.weights, &WeightsPage::rangeBrushed, m_views.map, &MapPage::setBrush);
    connect(m_views.map, &MapPage::channelPicked, this, &LookController::pickChannel);
    connect(m_views.map, &MapPage::regionRequested, this, [this](const MapRegion& region, int maxTiles) {
        m_region = region;
        m_maxTiles = maxTiles;
        if (m_subject.tensor >= 0)
            m_analyser->requestMap(m_subject.tensor, currentScheme(), region, maxTiles);
    });
    connect(m_views.map, &MapPage::groupPicked, this, [this](qint64 row, qint64 col) {
        if (m_subject.tensor >= 0)
            m_analyser->requestGroup(m_subject.tensor, currentScheme(), row, col);
    });
}

void LookController::connectResults()
{
    const auto current = [this](const Analyser::Subject& subject) { return subject == m_subject; };
    connect(m_analyser, &Analyser::distributionReady, this, [=, this](const auto& subject, const auto& distribution) {
        if (!current(subject))
            return;
        m_views.weights->setDistribution(distribution);
        const TensorStats& stats = distribution->stats;
        m_views.metrics->setNote(stats.finite() == stats.count
                                     ? QString()
                                     : tr("%1 NaN and %2 Inf, first at index %3: figures over the finite values")
                                           .arg(stats.nans).arg(stats.infs).arg(stats.firstNonFinite));
    });
    connect(m_analyser, &Analyser::quantizationReady, this, [=, this](const auto& subject, const auto& quantization) {
        if (!current(subject))
            return;
        m_views.weights->setQuantization(quantization);
        showMetrics(*quantization);
        if (!quantization->provenance.preview)
            askSecondPlot(); // the studies read a tensor many times over: the grid and the figures come first
    });
    connect(m_analyser, &Analyser::clipStudyReady, this, [=, this](const auto& subject, const auto& study) {
        if (!current(subject))
            return;
        m_views.weights->setClipStudy(study);
        Q_EMIT clipStudyChanged(study);
    });
    connect(m_analyser, &Analyser::formatStudyReady, this, [=, this](const auto& subject, const auto& study) {
        if (current(subject))
            m_views.weights->setFormatStudy(study);
    });
    connect(m_analyser, &Analyser::channelStudyReady, this, [=, this](const auto& subject, const auto& study) {
        if (subject == Analyser::Subject{m_subject.tensor, -1})
            m_views.weights->setChannelStudy(study);
    });
    connect(m_analyser, &Analyser::mapReady, this, [this](int tensor, const auto& map, const MapRegion& region) {
        if (tensor == m_subject.tensor)
            m_views.map->setMap(map, region);
    });
    connect(m_analyser, &Analyser::groupReady, this, [this](int tensor, const auto& group) {
        if (tensor == m_subject.tensor)
            m_views.map->setGroup(group);
    });
    connect(m_analyser, &Analyser::tableDistributionReady, m_views.layers, &LayersModel::setDistribution);
    connect(m_analyser, &Analyser::tableMetricsReady, this,
            [this](int tensor, const Scheme& scheme, const ErrorMetrics& metrics) {
                if (m_session->decisions()[size_t(tensor)].scheme == scheme) {
                    m_views.layers->setMetrics(tensor, metrics);
                    Q_EMIT totalsChanged();
                }
            });
    connect(m_analyser, &Analyser::tensorFailed, this, [this](int tensor, const Error& error) {
        const QString message = QString::fromStdString(error.text());
        m_views.layers->setFailure(tensor, message);
        if (tensor == m_subject.tensor) {
            m_views.weights->setFailure(message);
            m_views.map->setFailure(message);
        }
    });
}

Scheme LookController::currentScheme() const
{
    if (m_subject.tensor < 0)
        return m_session->policy().defaultScheme;
    return m_session->decisions()[size_t(m_subject.tensor)].scheme;
}

QString LookController::caption() const
{
    if (m_subject.tensor < 0)
        return {};
    const Model& model = *m_session->model();
    return QStringLiteral("%1 · %2").arg(QString::fromStdString(model.displayName()),
                                         QString::fromStdString(model.tensors()[size_t(m_subject.tensor)].name));
}

void LookController::select(const QList<int>& tensors, int current)
{
    m_selection = tensors;
    if (m_subject.tensor != current) {
        m_subject = {current, -1};
        m_region = {};
        showSubject();
        ask();
    }
    showEditor();
}

void LookController::pickChannel(qint64 row)
{
    if (m_subject.tensor < 0 || m_subject.channel == row)
        return;
    m_subject.channel = row;
    m_views.weights->setSubject(caption(), row < 0 ? QString() : tr("output channel %1").arg(row), currentScheme());
    m_views.weights->setPickedChannel(row);
    m_metrics.reset();
    m_baseline.reset();
    ask();
}

void LookController::showSubject()
{
    m_metrics.reset();
    m_baseline.reset();
    m_views.metrics->setMetrics({}, {}, false);
    m_views.metrics->setNote({});
    m_views.weights->setSubject(caption(), {}, currentScheme());
    if (m_subject.tensor < 0) {
        m_views.map->setSubject({}, 0, 0, currentScheme());
        showEditor();
        Q_EMIT shown(-1, currentScheme(), false);
        return;
    }
    const TensorInfo& info = m_session->model()->tensors()[size_t(m_subject.tensor)];
    m_views.map->setSubject(caption(), info.rows(), info.cols(), currentScheme());
}

void LookController::showEditor()
{
    QList<SchemeEditor::Subject> subjects;
    for (const int tensor : m_selection) {
        const TensorInfo& info = m_session->model()->tensors()[size_t(tensor)];
        subjects.append({QString::fromStdString(info.name), info.role, info.rows(), info.cols(),
                         m_session->decisions()[size_t(tensor)]});
    }
    m_views.editor->setSubjects(subjects);
}

/// A picked channel of a per-tensor scheme keeps the tensor's own limit: one row alone would choose another.
Scheme LookController::schemeOfSubject() const
{
    Scheme scheme = currentScheme();
    if (m_subject.channel >= 0 && scheme.granularity == Granularity::Tensor && m_tensorLimit > 0) {
        scheme.clip = ClipMethod::Absolute;
        scheme.clipParameter = m_tensorLimit;
    }
    return scheme;
}

void LookController::ask()
{
    if (m_subject.tensor < 0)
        return;
    if (!dtypeInfo(m_session->model()->tensors()[size_t(m_subject.tensor)].dtype).decodable) {
        m_views.weights->setFailure(tr("The values of this type cannot be decoded."));
        m_views.map->setFailure(tr("The values of this type cannot be decoded."));
        Q_EMIT shown(-1, currentScheme(), false);
        return;
    }
    m_analyser->look(m_subject, schemeOfSubject());
    Q_EMIT shown(m_subject.tensor, currentScheme(), false);
    if (m_mapVisible)
        m_analyser->requestMap(m_subject.tensor, currentScheme(), m_region, m_maxTiles);
}

/// The clip study is always asked for: the method marks above the distribution come from it.
void LookController::askSecondPlot()
{
    if (m_subject.tensor < 0)
        return;
    const Scheme scheme = schemeOfSubject();
    if (traits(scheme.format).choosesClip) {
        m_analyser->request(Analyser::Product::ClipStudy, m_subject, scheme);
    } else {
        m_views.weights->setClipStudy({});
        Q_EMIT clipStudyChanged({});
    }
    if (m_views.weights->secondPlot() == SecondPlot::Formats)
        m_analyser->request(Analyser::Product::FormatStudy, m_subject, scheme);
    if (m_views.weights->secondPlot() == SecondPlot::Channels)
        m_analyser->request(Analyser::Product::ChannelStudy, {m_subject.tensor, -1}, currentScheme());
}

void LookController::setMapVisible(bool visible)
{
    m_mapVisible = visible;
    if (visible && m_subject.tensor >= 0)
        m_analyser->requestMap(m_subject.tensor, currentScheme(), m_region, m_maxTiles);
}

void LookController::setCalibration(const std::shared_ptr<const Calibration>& calibration,
                                    const std::shared_ptr<ThreadPool>& pool)
{
    m_analyser->setCalibration(calibration, pool);
    m_views.editor->setOutputClip(calibration != nullptr, tr("Needs a calibration: Model > Calibrate, or import one."));
    if (!m_session->model())
        return;
    const auto& decisions = m_session->decisions();
    bool any = false;
    for (int tensor = 0; tensor < int(decisions.size()); ++tensor) {
        if (decisions[size_t(tensor)].scheme.clip != ClipMethod::Output)
            continue;
        any = true;
        m_views.layers->setMetrics(tensor, std::nullopt);
    }
    if (any)
        refresh();
    else if (m_subject.tensor >= 0 && calibration)
        askSecondPlot(); // where the calibration would clip joins the marks
}

void LookController::refresh()
{
    ask();
    orderTable(m_visible);
}

void LookController::adoptDecisions()
{
    const std::vector<Decision>& decisions = m_session->decisions();
    if (!m_session->model()) {
        Q_EMIT totalsChanged();
        return;
    }
    std::vector<int> changed;
    for (size_t i = 0; i < decisions.size(); ++i) {
        if (m_shownDecisions.size() != decisions.size() || m_shownDecisions[i].scheme != decisions[i].scheme)
            changed.push_back(int(i));
    }
    m_shownDecisions = decisions;
    m_views.layers->setDecisions(decisions);
    for (const int tensor : changed)
        m_views.layers->setMetrics(tensor, std::nullopt);
    showEditor();
    if (std::find(changed.begin(), changed.end(), m_subject.tensor) != changed.end()) {
        if (m_metrics)
            m_baseline = m_metrics;
        m_views.weights->setScheme(currentScheme());
        ask();
    }
    orderTable(m_visible);
    Q_EMIT totalsChanged();
}

void LookController::orderTable(const QList<int>& visibleFirst)
{
    m_visible = visibleFirst;
    if (!m_session->model())
        return;
    const int count = int(m_session->model()->tensors().size());
    QList<int> order = visibleFirst;
    std::vector<bool> listed(size_t(count), false);
    for (const int tensor : visibleFirst)
        listed[size_t(tensor)] = true;
    for (int tensor = 0; tensor < count; ++tensor) {
        if (!listed[size_t(tensor)])
            order.append(tensor);
    }
    m_analyser->fillTable(order, m_session->decisions());
    Q_EMIT tableOrdered(order);
}

void LookController::showMetrics(const Quantization& quantization)
{
    const bool preview = quantization.provenance.preview;
    if (!preview) {
        m_metrics = quantization.metrics;
        if (m_subject.channel < 0)
            m_tensorLimit = std::max(-quantization.limitLo, quantization.limitHi);
        if (m_subject.channel < 0 && currentScheme() == quantization.provenance.scheme) {
            m_views.layers->setMetrics(m_subject.tensor, quantization.metrics);
            Q_EMIT totalsChanged();
        }
    }
    m_views.metrics->setMetrics(quantization.metrics, preview ? m_metrics : m_baseline, preview);
}

void LookController::editScheme(const Scheme& scheme, EditScope scope, bool finished, SchemeFields fields)
{
    if (m_subject.tensor < 0)
        return;
    if (!finished) {
        m_views.weights->setScheme(scheme);
        m_analyser->preview(m_subject, scheme);
        Q_EMIT shown(m_subject.tensor, scheme, true);
        return;
    }
    const Model& model = *m_session->model();
    const TensorInfo& info = model.tensors()[size_t(m_subject.tensor)];
    const QString text = QString::fromStdString(scheme.text());
    int locked = 0;
    if (scope == EditScope::NewRule) {
        Rule rule;
        rule.roles = {info.role};
        rule.scheme = scheme;
        m_session->addRule(rule);
    } else {
        std::vector<std::pair<int, Scheme>> edits;
        if (scope == EditScope::Tensor)
            edits.emplace_back(m_subject.tensor, scheme);
        for (size_t i = 0; scope == EditScope::Role && i < model.tensors().size(); ++i) {
            if (model.tensors()[i].role == info.role)
                edits.emplace_back(int(i), scheme);
        }
        for (const int tensor : scope == EditScope::Selection ? m_selection : QList<int>())
            edits.emplace_back(tensor, withFields(m_session->decisions()[size_t(tensor)].scheme, scheme, fields));
        locked = m_session->setSchemes(edits, edits.size() == 1
                                                  ? tr("%1 to %2").arg(QString::fromStdString(info.name), text)
                                                  : tr("%1 tensors to %2").arg(wholeText(edits.size())).arg(text));
    }
    if (locked > 0)
        Q_EMIT noted(counted(locked, tr("1 locked tensor left as it is."), tr("%1 locked tensors left as they are.")));
    if (currentScheme() != scheme) { // locked, or a fallback: show what holds
        m_views.weights->setScheme(currentScheme());
        m_analyser->look(m_subject, currentScheme());
        Q_EMIT shown(m_subject.tensor, currentScheme(), false);
    }
}

} // namespace ql
