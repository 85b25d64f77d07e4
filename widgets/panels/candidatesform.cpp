// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/candidatesform.h"

#include "core/quant/schemetable.h"
#include "core/search/candidates.h"
#include "widgets/models/coretext.h"
#include "widgets/models/numbertext.h"
#include "widgets/theme.h"

#include <QCheckBox>
#include <QEvent>
#include <QGridLayout>
#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QSignalBlocker>
#include <QTreeWidget>

#include <algorithm>
#include <map>

namespace ql {
namespace {

constexpr int kCandidateGroups[] = {16, 32, 64, 128, 256};
constexpr int kListHeight = 148;

struct ClipRow {
    const char* text; ///< of the candidate
    const char* label;
    const char* tip;
};
constexpr ClipRow kClips[] = {
    {"minmax", QT_TRANSLATE_NOOP("ql::CandidatesForm", "min-max"), QT_TRANSLATE_NOOP("ql::CandidatesForm", "No clipping")},
    {"mse", QT_TRANSLATE_NOOP("ql::CandidatesForm", "MSE"),
     QT_TRANSLATE_NOOP("ql::CandidatesForm", "The limit with the least squared error, group by group")},
    {"percentile:99.9", QT_TRANSLATE_NOOP("ql::CandidatesForm", "99.9 %"),
     QT_TRANSLATE_NOOP("ql::CandidatesForm", "The largest thousandth of the weights is clipped")},
    {"output", QT_TRANSLATE_NOOP("ql::CandidatesForm", "output error"),
     QT_TRANSLATE_NOOP("ql::CandidatesForm", "The ratio with the least error at the output of the layer")},
};

QLabel* heading(const QString& text)
{
    auto* label = new QLabel(text);
    label->setFont(theme::smallFont());
    label->setForegroundRole(QPalette::PlaceholderText);
    return label;
}

} // namespace

struct CandidatesForm::Private {
    CandidatesForm* q;
    QTreeWidget* formats = new QTreeWidget;
    std::map<Format, QTreeWidgetItem*> items;
    std::vector<QCheckBox*> groups, clips;
    QCheckBox* embeddings = nullptr;
    QLineEdit* own = new QLineEdit;
    QLabel* state = new QLabel;

    void buildFormats();
    QWidget* buildOptions();
    void showState();
};

void CandidatesForm::Private::buildFormats()
{
    formats->setHeaderHidden(true);
    formats->setAccessibleName(tr("Formats to choose from"));
    formats->setUniformRowHeights(true);
    formats->setIndentation(14);
    formats->setMinimumHeight(kListHeight);
    formats->setMinimumWidth(200);
    std::map<std::string_view, QTreeWidgetItem*> sections;
    for (const FormatTraits& row : schemeTable()) {
        QTreeWidgetItem*& section = sections[row.section];
        if (!section) {
            section = new QTreeWidgetItem(formats, {fromStd(row.section)});
            section->setFlags(section->flags() | Qt::ItemIsUserCheckable | Qt::ItemIsAutoTristate);
        }
        auto* item = new QTreeWidgetItem(section, {fromStd(row.label)});
        item->setFlags(item->flags() | Qt::ItemIsUserCheckable);
        item->setToolTip(0, fromStd(row.summary));
        items[row.format] = item;
    }
    connect(formats, &QTreeWidget::itemChanged, q, [this] {
        showState();
        Q_EMIT q->changed();
    });
}

QWidget* CandidatesForm::Private::buildOptions()
{
    const auto changed = [this] {
        showState();
        Q_EMIT q->changed();
    };
    auto* options = new QWidget;
    auto* grid = new QGridLayout(options);
    grid->setContentsMargins(0, 0, 0, 0);
    grid->setHorizontalSpacing(theme::kSpacing);
    grid->setVerticalSpacing(3);
    auto* groupTitle = heading(tr("Each with groups of"));
    groupTitle->setToolTip(tr("Weights that share a scale; none checked: what the format usually has"));
    grid->addWidget(groupTitle, 0, 0, 1, 5);
    for (const int size : kCandidateGroups) {
        auto* box = new QCheckBox(QString::number(size));
        box->setToolTip(tr("Try every format that lets one choose with groups of %1 weights").arg(size));
        box->setAccessibleName(tr("Groups of %1").arg(size));
        grid->addWidget(box, 1, int(groups.size()));
        groups.push_back(box);
        connect(box, &QCheckBox::toggled, q, changed);
    }
    auto* clipTitle = heading(tr("Each clipped by"));
    clipTitle->setToolTip(tr("How the largest weights are clipped; none checked: integers by MSE, others not at all"));
    grid->addWidget(clipTitle, 2, 0, 1, 5);
    auto* clipRow = new QHBoxLayout;
    clipRow->setSpacing(theme::kSpacing);
    for (const ClipRow& row : kClips) {
        auto* box = new QCheckBox(tr(row.label));
        box->setToolTip(tr(row.tip));
        clipRow->addWidget(box);
        clips.push_back(box);
        connect(box, &QCheckBox::toggled, q, changed);
    }
    clipRow->addStretch();
    grid->addLayout(clipRow, 3, 0, 1, 6);
    grid->addWidget(heading(tr("Schemes of your own")), 4, 0, 1, 5);
    own->setPlaceholderText(QStringLiteral("int8,channel; int4,group=16,asym"));
    own->setAccessibleName(tr("Schemes of your own"));
    own->setToolTip(tr("Scheme texts, separated by semicolons; they are tried exactly as written. \"q4_k,imatrix\" weighs errors by a "
                       "calibration's mean squared inputs"));
    own->setClearButtonEnabled(true);
    connect(own, &QLineEdit::textChanged, q, changed);
    grid->addWidget(own, 5, 0, 1, 6);
    embeddings = new QCheckBox(tr("Search embeddings and output head too"));
    embeddings->setToolTip(tr("Otherwise they stay as stored, as most recipes have it"));
    connect(embeddings, &QCheckBox::toggled, q, &CandidatesForm::changed);
    auto* defaults = new QPushButton(tr("Defaults"));
    defaults->setToolTip(tr("Every integer format and NF4 with their usual groups, integers clipped by MSE"));
    connect(defaults, &QPushButton::clicked, q, [this] {
        q->setDefaults();
        Q_EMIT q->changed();
    });
    grid->addWidget(embeddings, 6, 0, 1, 5);
    grid->addWidget(defaults, 6, 5, Qt::AlignRight);
    state->setWordWrap(true);
    grid->addWidget(state, 7, 0, 1, 6);
    grid->setColumnStretch(5, 1);
    grid->setRowStretch(8, 1);
    return options;
}

void CandidatesForm::Private::showState()
{
    const auto found = q->candidates();
    QPalette palette = q->palette();
    palette.setColor(QPalette::WindowText, theme::color(found.ok() ? Ink::Muted : Ink::Bad));
    state->setPalette(palette);
    state->setText(found.ok() ? counted(qsizetype(found->size()), tr("1 scheme to choose from"), tr("%1 schemes to choose from"))
                              : QString::fromStdString(found.error().text()));
}

CandidatesForm::CandidatesForm(QWidget* parent) : QWidget(parent), d(std::make_unique<Private>())
{
    d->q = this;
    d->buildFormats();
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(theme::kSpacing, 0, theme::kSpacing, 0);
    row->setSpacing(2 * theme::kSpacing);
    row->addWidget(d->formats, 2);
    row->addWidget(d->buildOptions(), 3);
    setSizePolicy(QSizePolicy::Preferred, QSizePolicy::Maximum);
    setDefaults();
}

CandidatesForm::~CandidatesForm() = default;

Result<std::vector<Scheme>> CandidatesForm::candidates() const
{
    std::vector<Scheme> bases;
    for (const auto& [format, item] : d->items) {
        if (item->checkState(0) == Qt::Checked)
            bases.push_back(candidateOf(format));
    }
    std::vector<int> groups;
    for (size_t i = 0; i < d->groups.size(); ++i) {
        if (d->groups[i]->isChecked())
            groups.push_back(kCandidateGroups[i]);
    }
    std::vector<std::string> clips;
    for (size_t i = 0; i < d->clips.size(); ++i) {
        if (d->clips[i]->isChecked() && d->clips[i]->isEnabled())
            clips.push_back(kClips[i].text);
    }
    QL_TRY(std::vector<Scheme> schemes, crossCandidates(bases, groups, clips));
    if (const QString text = d->own->text().trimmed(); !text.isEmpty()) {
        QL_TRY(const std::vector<Scheme> own, parseCandidates(text.toStdString()));
        for (const Scheme& scheme : own) {
            if (std::find(schemes.begin(), schemes.end(), scheme) == schemes.end())
                schemes.push_back(scheme);
        }
    }
    if (schemes.empty())
        return Error{ErrorCode::EmptySelection, "check a format or write a scheme", {}};
    return schemes;
}

bool CandidatesForm::embeddings() const
{
    return d->embeddings->isChecked();
}

void CandidatesForm::setDefaults()
{
    {
        const QSignalBlocker formats(d->formats);
        for (const auto& [format, item] : d->items)
            item->setCheckState(0, Qt::Unchecked);
        for (const Scheme& scheme : defaultCandidates())
            d->items.at(scheme.format)->setCheckState(0, Qt::Checked);
        for (int i = 0; i < d->formats->topLevelItemCount(); ++i)
            d->formats->topLevelItem(i)->setExpanded(d->formats->topLevelItem(i)->checkState(0) != Qt::Unchecked);
        const QSignalBlocker own(d->own), embeddings(d->embeddings);
        for (const auto& boxes : {d->groups, d->clips}) {
            for (QCheckBox* box : boxes) {
                const QSignalBlocker quiet(box);
                box->setChecked(false);
            }
        }
        d->own->clear();
        d->embeddings->setChecked(false);
    }
    d->showState();
}

void CandidatesForm::setNoOutputClip(const QString& why)
{
    QCheckBox* box = d->clips.back();
    box->setEnabled(why.isEmpty());
    box->setToolTip(why.isEmpty() ? tr(kClips[std::size(kClips) - 1].tip) : why);
    d->showState();
}

void CandidatesForm::setFormatChecked(Format format, bool checked)
{
    d->items.at(format)->setCheckState(0, checked ? Qt::Checked : Qt::Unchecked);
}

void CandidatesForm::setOwnSchemes(const QString& text)
{
    d->own->setText(text);
}

void CandidatesForm::changeEvent(QEvent* event)
{
    if (event->type() == QEvent::PaletteChange)
        d->showState();
    QWidget::changeEvent(event);
}

} // namespace ql
