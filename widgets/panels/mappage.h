// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// MapPage: the matrix as tiles with a measure to choose, and the inspector of one group.
#pragma once

#include "core/compute/analysis.h"

#include <QWidget>

#include <memory>

namespace ql {

class MapPage : public QWidget
{
    Q_OBJECT
public:
    explicit MapPage(QWidget* parent = nullptr);
    ~MapPage() override;

    void setSubject(const QString& caption, int64_t rows, int64_t cols, const Scheme& scheme); ///< clears results
    void setMap(Shared<TileMap> map, const MapRegion& region);
    void setGroup(Shared<GroupDetail> group);
    void setBrush(double lo, double hi); ///< values in this range are marked; lo > hi removes it
    void setFailure(const QString& message);

Q_SIGNALS:
    void regionRequested(const ql::MapRegion& region, int maxTiles);
    void groupPicked(qint64 row, qint64 col);
    void channelPicked(qint64 row); ///< look at this output channel's distribution

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace ql
