// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/metricspanel.h"

#include "core/base/format.h"
#include "widgets/models/numbertext.h"
#include "widgets/panels/metricfigures.h"
#include "widgets/theme.h"

#include <QCoreApplication>
#include <QEvent>
#include <QGridLayout>
#include <QLabel>

#include <cmath>
#include <vector>

namespace ql {
namespace {

struct Row {
    QLabel* name;
    QLabel* value;
    QLabel* unit;
    QLabel* change;
};

/// Sign for the direction of the number, symbol and colour for better or worse.
QString changeText(Trend trend, double difference)
{
    if (trend == Trend::Same)
        return QStringLiteral("=");
    const QString symbol = trend == Trend::Better ? QStringLiteral(" ▲") : QStringLiteral(" ▼");
    return signedNumberText(difference) + symbol;
}

/// What formatBytes() divides by for this many bytes.
double bytesDivisor(uint64_t bytes)
{
    double divisor = 1;
    while (double(bytes) / divisor >= 999.5)
        divisor *= 1000;
    return divisor;
}

} // namespace

struct MetricsPanel::Private {
    MetricsPanel* q;
    QLabel* state;
    QLabel* note;
    std::vector<Row> rows;
    QLabel* basis;
    std::optional<ErrorMetrics> metrics, baseline;
    std::optional<OutputError> output, outputBaseline;
    bool preview = false, outputPreview = false;

    void build();
    void show();
    void showRow(const MetricFigure& figure, const Row& row);
    void showChange(const MetricFigure& figure, const Row& row);
    std::optional<double> now(const MetricFigure& figure) const;
    std::optional<double> before(const MetricFigure& figure) const;
};

std::optional<double> MetricsPanel::Private::now(const MetricFigure& figure) const
{
    if (figure.output)
        return output ? std::optional(figure.output(*output)) : std::nullopt;
    return metrics ? std::optional(figure.value(*metrics)) : std::nullopt;
}

std::optional<double> MetricsPanel::Private::before(const MetricFigure& figure) const
{
    if (figure.output)
        return outputBaseline ? std::optional(figure.output(*outputBaseline)) : std::nullopt;
    return baseline ? std::optional(figure.value(*baseline)) : std::nullopt;
}

void MetricsPanel::Private::build()
{
    auto* grid = new QGridLayout(q);
    grid->setContentsMargins(theme::kSpacing, theme::kSpacing / 2, theme::kSpacing, theme::kSpacing);
    grid->setHorizontalSpacing(theme::kSpacing / 2);
    grid->setVerticalSpacing(2); // all rows are seen in the smallest window
    grid->setColumnStretch(0, 1);
    state = new QLabel(q);
    state->setFont(theme::smallFont());
    state->setAccessibleName(tr("State of the metrics"));
    grid->addWidget(state, 0, 0, 1, 2);
    auto* since = new QLabel(tr("change"), q);
    since->setFont(theme::smallFont());
    since->setAlignment(Qt::AlignRight);
    since->setForegroundRole(QPalette::PlaceholderText);
    since->setToolTip(tr("Since the scheme before the last change: ▲ better, ▼ worse."));
    grid->addWidget(since, 0, 3);
    for (const MetricFigure& figure : metricFigures()) {
        const QString name = metricText(figure.name);
        Row row = {new QLabel(name, q), new QLabel(q), new QLabel(QString::fromUtf8(figure.unit), q), new QLabel(q)};
        row.value->setFont(theme::numberFont());
        row.value->setAlignment(Qt::AlignRight | Qt::AlignVCenter);
        row.value->setTextInteractionFlags(Qt::TextSelectableByMouse);
        row.value->setFixedWidth(row.value->fontMetrics().horizontalAdvance(QStringLiteral("0.000000")) + 2);
        row.unit->setFont(theme::smallFont());
        row.unit->setForegroundRole(QPalette::PlaceholderText);
        row.unit->setFixedWidth(row.unit->fontMetrics().horizontalAdvance(QStringLiteral("bits/w")) + 2);
        QFont changeFont = theme::numberFont();
        changeFont.setPointSizeF(theme::smallFont().pointSizeF());
        row.change->setFont(changeFont);
        row.change->setAlignment(Qt::AlignRight | Qt::AlignVCenter);
        row.change->setFixedWidth(row.change->fontMetrics().horizontalAdvance(QStringLiteral("−0.000000 ▲")) + 2);
        const QString tip = QStringLiteral("<b>%1</b><br><code>%2</code><br>%3 %4")
                                .arg(name, QString::fromUtf8(figure.formula).toHtmlEscaped(),
                                     metricText(figure.meaning).toHtmlEscaped(),
                                     figure.higherIsBetter ? tr("Higher is better.") : tr("Lower is better."));
        for (QLabel* label : {row.name, row.value, row.unit})
            label->setToolTip(tip);
        const int line = grid->rowCount();
        grid->addWidget(row.name, line, 0);
        grid->addWidget(row.value, line, 1);
        grid->addWidget(row.unit, line, 2);
        grid->addWidget(row.change, line, 3);
        rows.push_back(row);
    }
    basis = new QLabel(q);
    basis->setFont(theme::smallFont());
    basis->setForegroundRole(QPalette::PlaceholderText);
    basis->setWordWrap(true);
    basis->setAccessibleName(tr("Basis of the output error"));
    grid->addWidget(basis, grid->rowCount(), 0, 1, 4);
    note = new QLabel(q);
    note->setFont(theme::smallFont());
    note->setWordWrap(true);
    note->setContentsMargins(6, 4, 6, 4);
    note->setAutoFillBackground(true);
    note->hide();
    grid->addWidget(note, grid->rowCount(), 0, 1, 4);
    grid->setRowStretch(grid->rowCount(), 1);
}

void MetricsPanel::Private::showRow(const MetricFigure& figure, const Row& row)
{
    const auto value = now(figure);
    const bool isSize = qstrcmp(figure.unit, "bytes") == 0;
    const bool noCodes = isSize ? metrics && metrics->bytes == 0
                                : metrics && metrics->occupancy.empty() && qstrcmp(figure.unit, "bits") == 0;
    QString text = !value || noCodes ? kNothingText : figureText(figure, *value);
    QString unit = QString::fromUtf8(figure.unit);
    if (isSize && metrics && !noCodes) {
        const QStringList parts = QString::fromStdString(formatBytes(metrics->bytes)).split(' ');
        text = parts.value(0);
        unit = parts.value(1);
    }
    row.value->setText(text);
    row.unit->setText(unit);
    row.value->setAccessibleName(metricText(figure.name));
    row.value->setAccessibleDescription(value && !noCodes ? text + ' ' + unit : tr("not yet computed"));
    QPalette palette = q->palette();
    if (!value || noCodes)
        palette.setColor(QPalette::WindowText, theme::color(Ink::Muted));
    else if (figure.output ? outputPreview : preview)
        palette.setColor(QPalette::WindowText, theme::color(Ink::Preview));
    row.value->setPalette(palette);
    showChange(figure, row);
}

void MetricsPanel::Private::showChange(const MetricFigure& figure, const Row& row)
{
    row.change->clear();
    row.change->setToolTip({});
    row.change->setAccessibleDescription({});
    const auto now = this->now(figure), before = this->before(figure);
    if (!now || !before)
        return;
    const Trend trend = trendOf(figure, *now, *before);
    const QString name = metricText(figure.name);
    const QString was = QStringLiteral(" (%1 → %2)").arg(figureText(figure, *before), figureText(figure, *now));
    const double unit = qstrcmp(figure.unit, "bytes") == 0 ? bytesDivisor(metrics->bytes) : 1;
    row.change->setText(changeText(trend, (*now - *before) / unit));
    row.change->setToolTip((trend == Trend::Better  ? tr("%1 is better than before").arg(name)
                            : trend == Trend::Worse ? tr("%1 is worse than before").arg(name)
                                                    : tr("%1 is as before").arg(name)) +
                           was);
    row.change->setAccessibleDescription(row.change->toolTip());
    QPalette palette = q->palette();
    palette.setColor(QPalette::WindowText, theme::color(trend == Trend::Better  ? Ink::Good
                                                        : trend == Trend::Worse ? Ink::Bad
                                                                                : Ink::Muted));
    row.change->setPalette(palette);
}

void MetricsPanel::Private::show()
{
    QPalette palette = q->palette();
    palette.setColor(QPalette::WindowText, theme::color(metrics && preview ? Ink::Preview : Ink::Muted));
    state->setPalette(palette);
    state->setText(!metrics  ? tr("not yet computed")
                   : preview ? tr("◔ preview from a sample")
                             : tr("exact, over %1 values").arg(QString::fromStdString(formatCount(metrics->finite))));
    state->setToolTip(metrics && preview ? tr("Measured on a sample while you drag; the exact figures follow.") : QString());
    for (size_t i = 0; i < rows.size(); ++i)
        showRow(metricFigures()[i], rows[i]);
    palette = q->palette();
    palette.setColor(QPalette::Window, theme::color(Ink::WarningBackground));
    note->setPalette(palette);
}

MetricsPanel::MetricsPanel(QWidget* parent) : QWidget(parent), d(std::make_unique<Private>())
{
    d->q = this;
    d->build();
    d->show();
}

MetricsPanel::~MetricsPanel() = default;

void MetricsPanel::setMetrics(const std::optional<ErrorMetrics>& metrics, const std::optional<ErrorMetrics>& baseline,
                              bool preview)
{
    d->metrics = metrics;
    d->baseline = baseline;
    d->preview = preview;
    d->show();
}

void MetricsPanel::setOutputError(const std::optional<OutputError>& error, const std::optional<OutputError>& baseline,
                                  bool preview, const QString& basis)
{
    d->output = error;
    d->outputBaseline = baseline;
    d->outputPreview = preview;
    d->basis->setText(error && preview ? tr("Output error: ◔ preview, %1").arg(basis) : tr("Output error: %1").arg(basis));
    d->basis->setVisible(!basis.isEmpty());
    d->show();
}

void MetricsPanel::setNote(const QString& note)
{
    d->note->setText(note);
    d->note->setVisible(!note.isEmpty());
}

void MetricsPanel::changeEvent(QEvent* event)
{
    if (event->type() == QEvent::PaletteChange)
        d->show();
    QWidget::changeEvent(event);
}

} // namespace ql
