// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/mappage.h"

#include "core/quant/schemetable.h"
#include "widgets/panels/groupmodel.h"
#include "widgets/panels/inlinebar.h"
#include "widgets/panels/segmentedchoice.h"
#include "widgets/plots/mapview.h"
#include "widgets/theme.h"

#include <QFontDatabase>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QMenu>
#include <QPlainTextEdit>
#include <QSplitter>
#include <QStackedWidget>
#include <QStyle>
#include <QTableView>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>

namespace ql {
namespace {

constexpr int kBytesPerLine = 8;

/// Columns of the map that one pick covers.
int64_t groupLength(const Scheme& scheme, int64_t cols)
{
    const int group = scheme.keepsFloat() ? 0 : traits(scheme.format).groupSize;
    if (group > 0)
        return group;
    return scheme.granularity == Granularity::Group && !scheme.keepsFloat() ? scheme.groupSize : std::max<int64_t>(1, cols);
}

QString hexDump(const std::vector<std::byte>& bytes)
{
    QString text;
    for (size_t i = 0; i < bytes.size(); i += kBytesPerLine) {
        text += QString("%1 ").arg(i, 4, 16, QChar('0'));
        for (size_t k = i; k < std::min(i + kBytesPerLine, bytes.size()); ++k)
            text += QString(" %1").arg(int(bytes[k]), 2, 16, QChar('0'));
        text += '\n';
    }
    return text.trimmed();
}

} // namespace

struct MapPage::Private {
    QString caption;
    Scheme scheme;
    MapView* map = new MapView;
    GroupModel* model = nullptr;
    SegmentedChoice* measure = nullptr;
    QToolButton* channel = nullptr;
    QLabel *group = nullptr, *bytesTitle = nullptr, *failure = nullptr;
    InlineBar* notice = nullptr;
    QTableView* table = nullptr;
    QPlainTextEdit* bytes = nullptr;
    QStackedWidget *whole = nullptr, *inspector = nullptr;
    qint64 pickedRow = -1;

    QWidget* makeMap(MapPage* page);
    QWidget* makeTable();
    QWidget* makeBytes();
    QWidget* makeInspector();
};

QWidget* MapPage::Private::makeMap(MapPage* page)
{
    auto* panel = new QWidget;
    measure = new SegmentedChoice({tr("Magnitude"), tr("Signed"), tr("Scale"), tr("Error"), tr("Relative error")});
    measure->setRoomy();
    measure->setAccessibleName(tr("Measure of the map"));
    const QStringList tips{tr("Root mean square of the weights of a tile"),
                           tr("The weight of a tile that is farthest from zero, with its sign"),
                           tr("Scale of the groups of a tile, in weight units per code step"),
                           tr("Root mean square of reconstructed minus original weight"),
                           tr("Error ÷ magnitude of the tile; 0.1 means a tenth of the weights' size")};
    for (int i = 0; i < tips.size(); ++i)
        measure->setOptionToolTip(i, tips[i]);
    measure->setCurrent(0);
    channel = new QToolButton;
    channel->setIcon(theme::icon("chart"));
    channel->setText(tr("This channel's distribution"));
    channel->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    channel->setToolTip(tr("Show the weights of the picked row on the weights page"));
    channel->setFocusPolicy(Qt::StrongFocus);
    channel->setEnabled(false);
    auto* menu = new QToolButton;
    menu->setIcon(theme::icon("export"));
    menu->setToolTip(tr("Copy or save the map"));
    menu->setAccessibleName(menu->toolTip());
    menu->setPopupMode(QToolButton::InstantPopup);
    menu->setFocusPolicy(Qt::StrongFocus);
    menu->setMenu(new QMenu(menu));
    menu->menu()->addActions(map->actions());
    auto* row = new QHBoxLayout;
    row->setContentsMargins(theme::kSpacing, 4, theme::kSpacing, 4);
    row->addWidget(measure);
    row->addStretch();
    row->addWidget(channel);
    row->addWidget(menu);
    auto* layout = new QVBoxLayout(panel);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addLayout(row);
    layout->addWidget(map, 1);
    QObject::connect(measure, &SegmentedChoice::chosen, map,
                     [this](int index) { map->setMeasure(MapView::Measure(index)); });
    QObject::connect(map, &MapView::regionRequested, page, &MapPage::regionRequested);
    QObject::connect(map, &MapView::groupPicked, page, &MapPage::groupPicked);
    QObject::connect(channel, &QToolButton::clicked, page, [this, page] { Q_EMIT page->channelPicked(pickedRow); });
    return panel;
}

QWidget* MapPage::Private::makeTable()
{
    model = new GroupModel(map);
    table = new QTableView;
    table->setModel(model);
    table->setAccessibleName(tr("Values of the picked group"));
    table->verticalHeader()->hide();
    table->verticalHeader()->setDefaultSectionSize(20);
    table->setFont(theme::smallFont());
    table->horizontalHeader()->setFont(theme::smallFont());
    table->horizontalHeader()->setSectionResizeMode(QHeaderView::Stretch);
    // Column numbers and codes are short; the room they leave lets the values show whole.
    const QFontMetrics figures(model->data({}, Qt::FontRole).value<QFont>());
    table->horizontalHeader()->setMinimumSectionSize(figures.horizontalAdvance(QStringLiteral("00000")) + 8);
    for (const int narrow : {GroupModel::Position, GroupModel::Code}) {
        table->horizontalHeader()->setSectionResizeMode(narrow, QHeaderView::Fixed);
        table->horizontalHeader()->resizeSection(narrow, table->horizontalHeader()->minimumSectionSize());
    }
    table->setAlternatingRowColors(true);
    table->setShowGrid(false);
    table->setSelectionBehavior(QAbstractItemView::SelectRows);
    table->setMinimumWidth(300);
    return table;
}

QWidget* MapPage::Private::makeBytes()
{
    bytesTitle = new QLabel;
    bytesTitle->setFont(theme::smallFont());
    bytes = new QPlainTextEdit;
    bytes->setReadOnly(true);
    bytes->setFrameShape(QFrame::NoFrame);
    bytes->setLineWrapMode(QPlainTextEdit::NoWrap);
    QFont fixed = QFontDatabase::systemFont(QFontDatabase::FixedFont);
    fixed.setPointSizeF(theme::smallFont().pointSizeF());
    bytes->setFont(fixed);
    const int line = QFontMetrics(fixed).horizontalAdvance(hexDump(std::vector<std::byte>(kBytesPerLine)));
    bytes->setMinimumWidth(line + 2 * int(bytes->document()->documentMargin()) + 2 +
                           bytes->style()->pixelMetric(QStyle::PM_ScrollBarExtent)); // superblocks are longer than the view
    bytes->setAccessibleName(tr("Packed bytes of the picked group"));
    bytes->setTabChangesFocus(true);
    auto* packed = new QWidget;
    auto* packedLayout = new QVBoxLayout(packed);
    packedLayout->setContentsMargins(theme::kSpacing, 0, 0, 0);
    packedLayout->addWidget(bytesTitle);
    packedLayout->addWidget(bytes);
    return packed;
}

QWidget* MapPage::Private::makeInspector()
{
    auto* hint = new QLabel(tr("Click a tile to see its group: every weight, its code, its error and the packed bytes."));
    hint->setAlignment(Qt::AlignCenter);
    hint->setWordWrap(true);
    hint->setForegroundRole(QPalette::PlaceholderText);

    group = new QLabel;
    group->setMargin(theme::kSpacing / 2);
    group->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    auto* split = new QSplitter;
    split->addWidget(makeTable());
    split->addWidget(makeBytes());
    split->setStretchFactor(0, 1);
    split->setStretchFactor(1, 0);
    split->setSizes({360, 200});
    split->setChildrenCollapsible(false);
    auto* detail = new QWidget;
    auto* layout = new QVBoxLayout(detail);
    layout->setContentsMargins(theme::kSpacing, 0, theme::kSpacing, theme::kSpacing);
    layout->setSpacing(4);
    layout->addWidget(group);
    layout->addWidget(split, 1);
    inspector = new QStackedWidget;
    inspector->addWidget(hint);
    inspector->addWidget(detail);
    return inspector;
}

MapPage::MapPage(QWidget* parent)
    : QWidget(parent)
    , d(std::make_unique<Private>())
{
    auto* splitter = new QSplitter(Qt::Vertical);
    splitter->addWidget(d->makeMap(this));
    splitter->addWidget(d->makeInspector());
    splitter->setStretchFactor(0, 3);
    splitter->setStretchFactor(1, 2);
    splitter->setSizes({380, 240});
    splitter->setChildrenCollapsible(false);
    d->failure = new QLabel;
    d->failure->setAlignment(Qt::AlignCenter);
    d->failure->setWordWrap(true);
    d->failure->setMargin(4 * theme::kSpacing);
    d->failure->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    d->notice = new InlineBar;
    d->whole = new QStackedWidget;
    d->whole->addWidget(splitter);
    d->whole->addWidget(d->failure);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(d->notice);
    layout->addWidget(d->whole, 1);
    connect(d->map, &PlotView::exportFailed, d->notice, [this](const QString& message) {
        d->notice->showMessage(InlineBar::Level::Error, message);
    });
}

MapPage::~MapPage() = default;

void MapPage::setSubject(const QString& caption, int64_t rows, int64_t cols, const Scheme& scheme)
{
    d->caption = caption;
    d->scheme = scheme;
    d->pickedRow = -1;
    d->notice->hide();
    d->whole->setCurrentIndex(0);
    d->inspector->setCurrentIndex(0);
    d->channel->setEnabled(false);
    d->model->setGroup({});
    d->map->setMatrix(rows, cols, std::min(groupLength(scheme, cols), std::max<int64_t>(1, cols)));
    d->map->setCaption(caption + " · " + QString::fromStdString(scheme.text()));
}

void MapPage::setMap(Shared<TileMap> map, const MapRegion& region)
{
    d->whole->setCurrentIndex(0);
    d->map->setMap(map, region);
}

void MapPage::setGroup(Shared<GroupDetail> group)
{
    d->inspector->setCurrentIndex(group ? 1 : 0);
    d->channel->setEnabled(group != nullptr);
    d->model->setGroup(group);
    if (!group) {
        d->pickedRow = -1;
        d->map->setPicked(-1, 0, 0);
        return;
    }
    d->pickedRow = group->row;
    const auto length = int64_t(group->values.size());
    d->map->setPicked(group->row, group->firstCol, length);
    QString text = tr("Row %1, columns %2 to %3").arg(group->row).arg(group->firstCol).arg(group->firstCol + length - 1);
    if (!group->codes.empty())
        text += tr(" · scale %1").arg(shortText(group->scale, 4));
    if (group->zero != 0)
        text += tr(" · zero point %1").arg(group->zero);
    d->group->setText(text);
    d->bytesTitle->setText(group->packed.empty() ? tr("This scheme packs no bytes for a group")
                                                 : tr("%1 packed bytes, hexadecimal").arg(group->packed.size()));
    d->bytesTitle->setToolTip(tr("The codes of this group as a file holds them, lowest bits first;\n"
                                 "GGML and microscaling blocks with their scales."));
    d->bytes->setPlainText(hexDump(group->packed));
}

void MapPage::setBrush(double lo, double hi)
{
    d->map->setBrush(lo, hi);
}

void MapPage::setFailure(const QString& message)
{
    d->failure->setText(message);
    d->whole->setCurrentIndex(1);
}

} // namespace ql
